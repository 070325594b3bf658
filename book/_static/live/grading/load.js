/* The grader in the page: `await unitconv.loadGrader()`, then
   `unitconv.grade(question, reply)`.

   A page loads this file alone. The first call loads the rest, as scripts:
   a page opened from disk may load nothing else. */
"use strict";

window.unitconv = window.unitconv || {};
{
  // Each file uses those before it.
  const FILES = [
    ...["tables", "common/patterns", "common/numbers"],
    ...["common/traced_text", "task/units", "task/question_parser"],
    ...["answer", "wording", "lexer", "expression_parser"],
    ...["reasoning/claims", "reasoning/dimensions"],
    ...["reasoning/derivation", "audit", "grade", "mark"],
    ...["reasoning/path", "selection"],
  ];
  const here = globalThis.document?.currentScript.src;
  let loading = null;

  function addScript(name) {
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = new URL(`${name}.js`, here).href;
      script.async = false; // load at the same time, run in this order
      script.onload = resolve;
      script.onerror = () => reject(new Error(`cannot load ${script.src}`));
      document.head.append(script);
    });
  }

  /* Load all files, once; after a failure the next call tries again. */
  function loadGrader() {
    loading ??= Promise.all(FILES.map(addScript)).catch((error) => {
      loading = null;
      throw error;
    });
    return loading;
  }

  unitconv.graderFiles = FILES;
  unitconv.loadGrader = loadGrader;
}
