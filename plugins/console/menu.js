// The pages that the console's menu names, in order: {page: the module of `pages/`, title}.
export const MENU = [
  { page: "fleet", title: "Models" },
  { page: "approvals", title: "Approvals" },
  { page: "quality", title: "Data quality" },
  { page: "features", title: "Features" },
  { page: "lineage", title: "Lineage" },
  { page: "costs", title: "Costs" },
  { page: "audit", title: "Audit" },
];
