"use strict";
/* The course model in the page: `const llm = await unitconv.load("rft")`.

   A page loads this file alone. The first call fetches the rest, as
   scripts: a page opened from disk may load nothing else. */

window.unitconv = window.unitconv || {};
{
  const RUNTIME = [
    "kernel", "sizes", "model", "tokenizer", "weights", "blake2b",
    "sampling", "generate",
  ];
  const HERE = new URL(".", document.currentScript.src);

  const data = {}; // filled by the scripts in data/
  const scripts = new Map(); // a promise for each
  const models = new Map();

  function addScript(name) {
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = new URL(`${name}.js`, HERE).href;
      script.onload = resolve;
      script.onerror = () => {
        script.remove();
        reject(new Error(`cannot load ${script.src}`));
      };
      document.head.append(script);
    });
  }

  /* Remember the promise for a key; forget one that fails, so that the
     next call tries again. */
  function once(promises, key, start) {
    if (!promises.has(key)) {
      const promise = start();
      promise.catch(() => promises.delete(key));
      promises.set(key, promise);
    }
    return promises.get(key);
  }

  const loadScript = (name) => once(scripts, name, () => addScript(name));

  /* Scripts of the runtime read each other as they load: in order. */
  async function loadRuntime() {
    for (const name of RUNTIME) await loadScript(name);
    await loadScript("data/course");
  }

  const loadBase = () => once(models, "tensors", async () => {
    await loadScript("data/base");
    const tensors = await window.unitconv.decodeTensors(data.base);
    delete data.base; // six megabytes of text
    return tensors;
  });

  /* The tensors of a model, and the prompt style it was made for. */
  async function loadTensors(name) {
    const base = await loadBase();
    if (name === "base") return { tensors: base, style: data.course.style };
    await loadScript(`data/${name}`);
    const { decodeTensors, mergeAdapter } = window.unitconv;
    const { style, scale } = data[name];
    const adapter = await decodeTensors(data[name]);
    return { tensors: mergeAdapter(base, adapter, scale), style };
  }

  /* Load the tokenizer alone: without the six megabytes of weights. */
  async function loadTokenizer() {
    await loadRuntime();
    return new window.unitconv.Tokenizer(data.course.tokenizer);
  }

  async function start(name, options) {
    const tokenizer = await loadTokenizer();
    const { readSizes, Model, LLM } = window.unitconv;
    const { course } = data;
    const { tensors, style } = await loadTensors(name);
    const model = new Model(readSizes(course.config), tensors, options);
    return new LLM({ name, model, tokenizer, style, task: course.task });
  }

  /* Load "base", "sft" or "rft", once. `simd: false` is for comparisons:
     plain JavaScript where SIMD could be had. */
  function load(name, { simd = true } = {}) {
    return once(models, `${name} ${simd}`, () => start(name, { simd }));
  }

  Object.assign(window.unitconv, { data, load, loadTokenizer });
}
