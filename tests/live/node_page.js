"use strict";
/* Run the page's scripts in Node: a document that can load scripts.

   node node_page.js FOLDER answers lists of requests, one a line. */

const { readFileSync } = require("node:fs");
const { createInterface } = require("node:readline");
const { pathToFileURL, fileURLToPath } = require("node:url");
const { runInThisContext } = require("node:vm");

const [folder, ...flags] = process.argv.slice(2);

globalThis.window = globalThis;
globalThis.document = {
  currentScript: null,
  createElement: () => ({ remove() {} }),
  head: { append: (script) => queueMicrotask(() => loadScript(script)) },
};

function loadScript(script) {
  try {
    runScript(script.src);
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
    script.onerror();
    return;
  }
  script.onload();
}

function runScript(src) {
  const filename = fileURLToPath(src);
  const code = readFileSync(filename, "utf-8");
  document.currentScript = { src };
  runInThisContext(code, { filename });
}

/* As in a page whose host forbids WebAssembly. */
function forbidWebAssembly() {
  WebAssembly.Module = class {
    constructor() {
      throw new WebAssembly.CompileError("blocked by CSP");
    }
  };
}

async function main() {
  if (flags.includes("--no-wasm")) forbidWebAssembly();
  runScript(pathToFileURL(`${folder}/load.js`).href);
  runScript(pathToFileURL(`${folder}/answer_requests.js`).href);
  for await (const line of createInterface({ input: process.stdin })) {
    const replies = await window.answerRequests(JSON.parse(line));
    console.log(JSON.stringify(replies));
  }
}

main();
