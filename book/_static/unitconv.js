/* What the theme leaves to us: paper is white and holds the solutions, a
   link into something folded opens it, and whatever scrolls sideways can
   be reached by keyboard. */

const page = document.documentElement;
let theme = "";
let folded = [];

addEventListener("beforeprint", () => {
  theme = page.dataset.theme;
  page.dataset.theme = "light";
  folded = [...document.querySelectorAll("details.solution:not([open])")];
  for (const solution of folded) solution.open = true;
});

addEventListener("afterprint", () => {
  page.dataset.theme = theme;
  for (const solution of folded) solution.open = false;
});

function openTarget() {
  const id = decodeURIComponent(location.hash.slice(1));
  const target = document.getElementById(id);
  const closed = [];
  for (let part = target; part; part = part.parentElement)
    if (part.matches("details:not([open])")) closed.push(part);
  for (const part of closed) part.open = true;
  if (closed.length) target.scrollIntoView();
}

addEventListener("hashchange", openTarget);

/* The theme looks at code and outputs when the window changes, but never at
   tables and figures, nor at what was folded when it looked. */
const WIDE = `pre, div.cell_output, .cell_output > .output, .drawing,
  .pst-scrollable-table-container`;
const NAMES = { PRE: "code or output", DIV: "wide content" };

/* Does more of it follow at the right? */
function markEnd(box) {
  const left = box.scrollWidth - box.clientWidth - box.scrollLeft;
  box.classList.toggle("goes-on", left > 1);
}

function markScrolling(box) {
  const scrolls = box.scrollWidth > box.clientWidth;
  box.tabIndex = scrolls ? 0 : -1;
  if (scrolls) {
    box.setAttribute("role", "group");
    box.setAttribute("aria-label", NAMES[box.tagName] ?? NAMES.DIV);
  } else {
    box.removeAttribute("role");
    box.removeAttribute("aria-label");
  }
  markEnd(box);
}

addEventListener("load", () => {
  openTarget();
  const sized = new ResizeObserver((changes) => {
    for (const { target } of changes) markScrolling(target);
  });
  for (const box of document.querySelectorAll(WIDE)) {
    sized.observe(box);
    box.addEventListener("scroll", () => markEnd(box), { passive: true });
  }
});
