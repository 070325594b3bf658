/* Run the grader of the page in Node, for the tests.

   node grading_in_node.js FOLDER reads calls from standard input, each a
   line of JSON, [name, arguments], and answers each by a line of JSON. */
"use strict";

const { readFileSync } = require("node:fs");
const { join } = require("node:path");
const { createInterface } = require("node:readline");
const { runInThisContext } = require("node:vm");

const [folder] = process.argv.slice(2);
globalThis.window = globalThis;

function run(name) {
  const filename = join(folder, `${name}.js`);
  runInThisContext(readFileSync(filename, "utf-8"), { filename });
}

run("load");
unitconv.graderFiles.forEach(run);

createInterface({ input: process.stdin }).on("line", (line) => {
  const [name, values] = JSON.parse(line);
  console.log(JSON.stringify(unitconv[name](...values)));
});
