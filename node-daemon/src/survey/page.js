"use strict";
const table = document.getElementById("scenarios");
const body = table.tBodies[0];

document.getElementById("harm").addEventListener("change", (event) => {
  table.classList.toggle("only-harm", event.target.checked);
});

// A click on a heading sorts: numbers largest first, texts in order; a second click turns it round.
table.querySelectorAll("th button").forEach((button, column) => {
  let turned = false;
  button.addEventListener("click", () => {
    const key = (row) => row.cells[column].firstChild.textContent.trim();
    const rows = Array.from(body.rows);
    const numeric = column > 1;
    rows.sort((a, b) => numeric ? key(b) - key(a) : key(a).localeCompare(key(b), undefined, { numeric: true }));
    if (turned) rows.reverse();
    turned = !turned;
    body.append(...rows);
    document.documentElement.dataset.sorted = column;
  });
});
document.documentElement.dataset.ready = body.rows.length;
