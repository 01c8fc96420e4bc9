(() => {
const order = new Intl.Collator(document.documentElement.lang, { numeric: true });
const rows = [...document.querySelectorAll("table.sorts tbody tr")];
const find = document.getElementById("find"), found = document.getElementById("found");
find.parentElement.hidden = false;
find.addEventListener("input", () => {
  const wanted = find.value.trim().toLocaleLowerCase();
  for (const row of rows) row.hidden = !row.textContent.toLocaleLowerCase().includes(wanted);
  const shown = rows.filter(row => !row.hidden).length;
  found.textContent = found.dataset.text.replace("{n}", shown).replace("{m}", rows.length);
});
const value = (row, place) => row.cells[place].dataset.v ?? row.cells[place].textContent.trim();
for (const head of document.querySelectorAll("table.sorts thead th")) {
  const button = document.createElement("button");
  button.type = "button";
  button.append(...head.childNodes);
  head.append(button);
  button.addEventListener("click", () => {
    const table = head.closest("table"), place = head.cellIndex;
    const turn = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    for (const other of table.querySelectorAll("th")) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", turn > 0 ? "ascending" : "descending");
    table.tBodies[0].append(...[...table.tBodies[0].rows].sort((a, b) => {
      const one = value(a, place), other = value(b, place);
      if (!one || !other) return !one - !other;
      return turn * (Number(one) - Number(other) || order.compare(one, other));
    }));
  });
}
})();
