"""Figures in a browser: the contrast and the size of their letters."""

from __future__ import annotations

from typing import Any

# Each text of each figure: the colors below its middle, composed, and the
# contrast with its own color (WCAG 2.2); and its height on the screen.
LETTERS = """() => {
  const rgba = (color) => {
    const numbers = (color.match(/[\\d.]+/g) ?? []).map(Number);
    return color.startsWith("rgb") ? [...numbers, 1].slice(0, 4) : null;
  };
  const over = (top, below) =>
    [0, 1, 2].map(i => top[3] * top[i] + (1 - top[3]) * below[i]);
  const luminance = (color) => color.slice(0, 3).map(c => c / 255)
    .map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + [0.2126, 0.7152, 0.0722][i] * c, 0);
  const contrast = (a, b) => {
    const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return (high + 0.05) / (low + 0.05);
  };
  const paint = (element) => {
    const style = getComputedStyle(element);
    if (element instanceof SVGImageElement) return null;
    if (style.fill.startsWith("url")) return "pattern";
    const color = rgba(style.fill);
    if (!color) return null;
    color[3] *= style.fillOpacity * style.opacity;
    return color;
  };
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const color = rgba(getComputedStyle(e).backgroundColor);
      if (color && color[3] === 1) return color;
    }
    return [255, 255, 255, 1];
  };
  const style = document.createElement("style");
  style.textContent = "svg[role=img] * { pointer-events: visiblePainted }";
  document.head.append(style);
  const found = [];
  for (const svg of document.querySelectorAll("svg[role=img]")) {
    const scale = svg.getBoundingClientRect().width
      / svg.viewBox.baseVal.width;
    if (!scale) continue; // hidden at this width
    for (const text of svg.querySelectorAll("text")) {
      if (!text.textContent.trim()) continue;
      text.scrollIntoView({ block: "center", inline: "center" });
      const box = text.getBoundingClientRect();
      const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
      const below = document.elementsFromPoint(x, y)
        .filter(e => svg.contains(e) && !(e instanceof SVGTextElement)
          && !(e instanceof SVGTSpanElement) && e !== svg)
        .map(paint).filter(color => color);
      const start = ground(svg).slice(0, 3);
      const plain = below.filter(color => color !== "pattern");
      const behind = plain.reverse().reduce(
        (color, top) => over(top, color), start);
      const ink = over(paint(text), behind);
      found.push({
        text: text.textContent.trim(),
        contrast: contrast(ink, behind),
        pattern: plain.length < below.length,
        pixels: scale * parseFloat(getComputedStyle(text).fontSize),
      });
    }
  }
  style.remove();
  return found;
}"""
LEAST_CONTRAST = 4.5
LEAST_PIXELS = 12


def unreadable(page: Any) -> list[str]:
    """List the letters of a page's figures that are too faint or small."""
    return [
        f"{found['text']}: {found['contrast']:.1f} to 1, "
        f"{found['pixels']:.1f} px{', on a hatch' * found['pattern']}"
        for found in page.evaluate(LETTERS)
        if found["contrast"] < LEAST_CONTRAST
        or found["pixels"] < LEAST_PIXELS - 0.1
        or found["pattern"]
    ]
