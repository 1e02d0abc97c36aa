// Bokeh draws; the sources of its drawings are filled here.
async function draw(packed) {
  // It warns that an empty source has no range.
  Bokeh.set_log_level("error");
  const elements = Object.fromEntries(Object.entries(packed.roots).map(([name, root]) => [root, byId(`plot-${name}`)]));
  const ids = Object.values(packed.roots);
  await Bokeh.embed.embed_items({ drawings: packed.document }, [{ docid: "drawings", roots: elements, root_ids: ids }]);
  const made = Bokeh.documents.find(one => one.roots().some(root => ids.includes(root.id)));
  if (matchMedia("(pointer: coarse)").matches) {
    // A finger on a drawing scrolls the page until a tool is chosen.
    for (const root of made.roots()) for (const tool of root.toolbar.tools) if (/^(Box|Lasso|Pan)/.test(tool.type)) tool.active = false;
  }
  for (const root of made.roots()) nameParts(byId(`plot-${root.name}`), byId(`label-${root.name}`).textContent);
  return { find: name => made.get_model_by_name(name) };
}

// What Bokeh lets the keyboard reach gets a name and a role.
function nameParts(node, title) {
  for (const part of node.querySelectorAll("*")) {
    if (part.classList.contains("bk-events")) {
      part.setAttribute("role", "img");
      part.setAttribute("aria-label", `${title}: a drawing; the table has the same values`);
    } else if (/(OnOff|Click)Button/.test(part.className)) {
      part.setAttribute("role", "button");
      part.setAttribute("aria-label", `${part.title}, ${title}`);
    } else if (part.classList.contains("bk-tool-overflow")) {
      part.setAttribute("role", "button");
      part.setAttribute("aria-label", `More tools, ${title}`);
    }
    if (part.shadowRoot) {
      nameParts(part.shadowRoot, title);
      // A toolbar is built again when its width changes.
      if (/Toolbar/.test(part.className) && !watched.has(part)) {
        watched.add(part);
        new MutationObserver(() => nameParts(part.shadowRoot, title)).observe(part.shadowRoot, { childList: true, subtree: true });
      }
    }
  }
}

const watched = new WeakSet();

const finite = (...values) => values.every(Number.isFinite);

// Where a value is missing the view says how many are; where all are, why it is empty.
function tell(key, drawn, total, noun, empty) {
  const figure = byId(`view-${key}`);
  figure.querySelector(".plot").hidden = drawn === 0;
  const message = figure.querySelector(".empty");
  message.hidden = drawn !== 0;
  if (empty) message.textContent = empty;
  const said = figure.querySelector(".count");
  const needs = (said.dataset.needs ?? "the values").replace(" and ", " or ");
  said.textContent = drawn === 0 ? "" : `${count(drawn, noun)}${drawn < total ? `; ${(total - drawn).toLocaleString("en")} without ${needs} not drawn` : ""}.`;
}

async function setUpViews() {
  const places = Object.fromEntries(Object.entries(P.places).map(([name, packed]) => [name, decode(packed)]));
  const withError = (name, row, unit) => {
    const value = clusters.at(name, row), error = clusters.at(`${name}_error`, row);
    if (value === null) return "none";
    const digits = name === "rv_med" ? 2 : 3;
    return value.toFixed(digits) + (error === null ? "" : ` ± ${error.toFixed(digits)}`) + unit;
  };
  const data = {
    ...places,
    name: P.names.shown,
    n_all: Array.from(places.n_all, n => String(n)),
    rv: clusterNames.map((_, row) => withError("rv_med", row, " km/s")),
    feh: clusterNames.map((_, row) => withError("feh_med", row, "")),
  };
  const axes = { sky: ["glon", "glat"], plane: ["x", "y"], radial: ["r_gc", "feh_med"], integrals: ["l_z", "energy"], ages: ["log_age", "feh_med"] };
  for (const [key, [x, y]] of Object.entries(axes)) {
    tell(key, clusterNames.filter((_, row) => finite(places[x][row], places[y][row])).length, clusterNames.length, "cluster");
  }
  const drawing = await draw(P.bokeh.overview), source = drawing.find("clusters");
  source.data = data;
  source.selected.properties.indices.change.connect(() => chosen.set(source.selected.indices));
  chosen.onChange(picked => { source.selected.indices = picked; });
  if (chosen.rows.size) source.selected.indices = chosen.sorted;
}
