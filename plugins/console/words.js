// Values as people read them. Moments are ISO 8601; without a zone they are UTC.
export const three = value => typeof value === "number" ? value.toFixed(3) : "–";
export const many = value => Number(value || 0).toLocaleString("en");
export const share = value => typeof value === "number" ? `${(100 * value).toFixed(1)} %` : "–";
// A moment that is mostly a day's beginning: of another one the hour is told too.
export const day = text => !text ? "–" : ["", "00:00"].includes(text.slice(11, 16)) ? text.slice(0, 10) : `${text.slice(0, 16).replace("T", " ")} UTC`;
export const plain = text => String(text ?? "").replaceAll("_", " ");
export const moment = text => new Date(/[zZ+]|\d-\d\d:\d\d$/.test(text.slice(10)) ? text : text.length > 10 ? text + "Z" : text);
export const stamp = text => text ? text.slice(0, 19).replace("T", " ") + " UTC" : "";

const UNITS = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
export const lasting = seconds => {
  if (typeof seconds !== "number") return "–";
  const [unit, size] = UNITS.find(([, size]) => seconds >= 2 * size) || ["s", 1];
  return `${Math.max(0, Math.floor(seconds / size))} ${unit}`;
};
export const ago = text => `${lasting((Date.now() - moment(text)) / 1000)} ago`;
export const until = text => {
  const seconds = (moment(text) - Date.now()) / 1000;
  return seconds > 0 ? `in ${lasting(seconds)}` : `${lasting(-seconds)} ago`;
};
// As include/costs/prices.py says it: three figures that count, whatever the size.
export const money = (amount, unit) => {
  const places = amount ? Math.max(2, 2 - Math.floor(Math.log10(Math.abs(amount)))) : 0;
  return `${amount.toLocaleString("en", { minimumFractionDigits: places, maximumFractionDigits: places })}${unit ? ` ${unit}` : ""}`;
};
// A stage of a rollout: those with a number are shares of the traffic.
export const staged = name => plain(name) + (/\d/.test(name ?? "") ? " %" : "");
// What counts are called: one row, two rows.
export const count = (number, one, more = one + "s") => `${many(number)} ${number === 1 ? one : more}`;
