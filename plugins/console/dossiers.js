// The dossiers of a version: signed files of all that is known of it, kept by a task or by the command line.
import { html } from "./lib.js";
import { outward, time } from "./parts.js";

const path = (model, version, form, digest) => `api/models/${encodeURIComponent(model)}/versions/${version}/dossier.${form}?digest=${digest}`;
const one = (model, version, each) => html`${outward(path(model, version, "html", each.digest), `Dossier of version ${version}`, { title: `Digest ${each.digest}…: a page that runs no script, and holds the JSON` })}
  (<a href=${path(model, version, "json", each.digest)} download title="The file that slipstream dossier verify takes">JSON</a>), ${each.signed ? "signed" : html`<span class="bad">unsigned</span>`}, kept ${time(each.at)}`;
// `kept`: the newest first. Where there is none it is said what makes one.
export const dossier = (model, version, kept) => kept?.length ? one(model, version, kept[0])
  : html`<span class="dim" title="slipstream dossier ${model} ${version} --keep makes one, signed, and keeps it where the console finds it">no dossier kept</span>`;
