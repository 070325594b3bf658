/* What the theme leaves to us: paper is white, and whatever scrolls
   sideways can be reached by keyboard. */

const page = document.documentElement;
let theme = "";

addEventListener("beforeprint", () => {
  theme = page.dataset.theme;
  page.dataset.theme = "light";
});

addEventListener("afterprint", () => {
  page.dataset.theme = theme;
});

/* The theme looks at code and outputs when the window changes, but never at
   tables, nor at what was folded when it looked. */
const WIDE = `pre, div.cell_output, .cell_output > .output,
  .pst-scrollable-table-container`;

addEventListener("load", () => {
  const sized = new ResizeObserver((changes) => {
    for (const { target } of changes)
      target.tabIndex = target.scrollWidth > target.clientWidth ? 0 : -1;
  });
  for (const box of document.querySelectorAll(WIDE)) sized.observe(box);
});
