"use strict";
// Colours live in the style sheet, by theme; a trace names its own in `meta.colour`.
const root = document.documentElement;
const colour = (name) => getComputedStyle(root).getPropertyValue(`--${name}`).trim();

const draw = (holder) => {
  const { data, layout } = JSON.parse(holder.nextElementSibling.textContent);
  for (const trace of data) {
    const paint = colour(trace.meta.colour);
    if (trace.line) trace.line.color = paint;
    trace.marker = { ...trace.marker, color: paint };
  }
  const line = { gridcolor: colour("grid"), linecolor: colour("rule"), tickcolor: colour("rule") };
  for (const shape of layout.shapes ?? []) shape.line.color = colour("muted");
  Plotly.react(holder, data, {
    ...layout,
    xaxis: { ...layout.xaxis, ...line, showline: true, automargin: true },
    yaxis: { ...layout.yaxis, ...line, automargin: true },
    font: { family: getComputedStyle(document.body).fontFamily, size: 13, color: colour("text") },
    hoverlabel: { bgcolor: colour("surface"), bordercolor: colour("rule"), font: { color: colour("text") } },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: colour("muted"), activecolor: colour("text") },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
  }, {
    responsive: true,
    displaylogo: false,
    displayModeBar: matchMedia("(hover: hover)").matches ? "hover" : false,
    modeBarButtonsToRemove: ["lasso2d", "select2d", "autoScale2d"],
  });
};

const drawAll = () => document.querySelectorAll(".holder").forEach(draw);
drawAll();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
// Paper is light
addEventListener("beforeprint", () => { root.dataset.theme = "light"; drawAll(); });
addEventListener("afterprint", () => { delete root.dataset.theme; drawAll(); });

for (const figure of document.querySelectorAll(".compare")) {
  const stage = figure.querySelector(".stage");
  const range = stage.querySelector("input");
  const selects = [...figure.querySelectorAll("select")];
  const split = () => {
    stage.style.setProperty("--split", `${range.value}%`);
    range.setAttribute("aria-valuetext", `${range.value} % ${selects[0].value}, the rest ${selects[1].value}`);
  };
  const place = () => {
    for (const image of stage.querySelectorAll("img")) delete image.dataset.place;
    for (const select of [...selects].reverse()) {
      stage.querySelector(`img[data-side="${select.value}"]`).dataset.place = select.dataset.place;
      stage.querySelector(`.tag.${select.dataset.place}`).textContent = select.value;
    }
    split();
  };
  range.addEventListener("input", split);
  for (const select of selects) select.addEventListener("change", place);
  place();
}

for (const table of document.querySelectorAll(".scroll > table")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy table";
  button.addEventListener("click", async () => {
    const lines = [...table.rows].map((row) => [...row.cells].map((cell) => cell.innerText.trim()).join("\t"));
    await navigator.clipboard.writeText(lines.join("\n"));
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy table"; }, 1500);
  });
  table.parentElement.after(button);
}
