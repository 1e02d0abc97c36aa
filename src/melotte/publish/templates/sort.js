// Sorting by the head of a column: missing values stay at the end, whichever way a table is sorted.
function makeSortable(table) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, index) => {
    if (head.classList.contains("pick")) return;
    const button = el("button", { type: "button" });
    button.append(head.firstChild);
    head.prepend(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const numeric = head.classList.contains("num");
      const value = row => row.cells[index].dataset.v;
      const compare = numeric ? (a, b) => Number(a) - Number(b) : (a, b) => a.localeCompare(b, undefined, { numeric: true });
      const sorted = [...table.tBodies[0].rows];
      sorted.sort((a, b) => {
        const x = value(a), y = value(b);
        if (x === "" || y === "") return (x === "") - (y === "");
        return up ? compare(x, y) : compare(y, x);
      });
      table.tBodies[0].append(...sorted);
    });
  });
}
