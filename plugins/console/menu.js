// The pages that the console's menu names, in order: {page: the module of `pages/`, title}.
export const MENU = [
  { page: "fleet", title: "Models" },
  { page: "features", title: "Features" },
];
