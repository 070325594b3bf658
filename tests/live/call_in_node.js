"use strict";
/* Call the functions of widgets in Node, for the tests.

   node call_in_node.js FOLDER SCRIPT... loads the runtime, the grader and
   these scripts, reads calls from standard input, each a line of JSON,
   [name, arguments], and answers each by a line of JSON. A model is given
   as {"llm": NAME}. */

const { readFileSync } = require("node:fs");
const { join } = require("node:path");
const { createInterface } = require("node:readline");
const { pathToFileURL, fileURLToPath } = require("node:url");
const { runInThisContext } = require("node:vm");

const [folder, ...scripts] = process.argv.slice(2);

globalThis.window = globalThis;
globalThis.document = {
  currentScript: null,
  createElement: () => ({ remove() {} }),
  head: { append: (script) => queueMicrotask(() => load(script)) },
};

function load(script) {
  const filename = fileURLToPath(script.src);
  document.currentScript = script;
  runInThisContext(readFileSync(filename, "utf-8"), { filename });
  script.onload?.();
}

/* Functions that only the tests need. */
const OWN = {
  selectReplies(question, replies) {
    const selection = new unitconv.Selection(question);
    return replies.map((reply) => selection.add(reply));
  },

  encodeWithExample(llm, shown, example, question) {
    return unitconv.withExample(llm, shown, example).encode(question);
  },
};

async function call([name, values]) {
  const given = values.map((value) =>
    value?.llm ? unitconv.load(value.llm) : value);
  const answer = OWN[name] ?? unitconv[name];
  const found = answer(...await Promise.all(given));
  return JSON.stringify(await found);
}

async function main() {
  for (const name of ["load", "grading/load", ...scripts])
    load({ src: pathToFileURL(join(folder, `${name}.js`)).href });
  await unitconv.loadGrader();
  for await (const line of createInterface({ input: process.stdin }))
    console.log(await call(JSON.parse(line)));
}

main();
