// Rows as files, with every digit.
function asCsv(table, chosen) {
  const quote = text => (/[",\n\r]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text);
  const names = table.columns.map(column => column.name);
  const lines = [names.join(",")];
  for (const row of chosen) lines.push(names.map(name => quote(table.exact(name, row))).join(","));
  return lines.join("\n") + "\n";
}

// The header (units, UCDs, descriptions) was written with the tables of the run; the rows go into it.
function asVotable(table, chosen) {
  const entities = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };
  const escape = text => text.replace(/[&<>]/g, character => entities[character]);
  const names = table.columns.map(column => column.name);
  const lines = chosen.map(row => `<TR>${names.map(name => `<TD>${escape(table.exact(name, row))}</TD>`).join("")}</TR>`);
  const end = table.votable.lastIndexOf("</TABLE>");
  return `${table.votable.slice(0, end)}<DATA><TABLEDATA>\n${lines.join("\n")}\n</TABLEDATA></DATA>\n${table.votable.slice(end)}`;
}

function save(text, name, type) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  const link = el("a", { href: address, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}

const saveCsv = (table, chosen, stem) => save(asCsv(table, chosen), `${stem}.csv`, "text/csv;charset=utf-8");
const saveVotable = (table, chosen, stem) => save(asVotable(table, chosen), `${stem}.vot`, "application/x-votable+xml");
