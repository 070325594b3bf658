/* A text that remembers where it came from.

   The reader of equations rewrites a reply many times ("A kg is 1000 g"
   becomes "1 kg = 1000 g"), and the page marks the reply as it was. So each
   character of the rewritten text carries the part of the original, from
   `starts` to `ends`, that it was made of. */
"use strict";

{
  class TracedText {
    constructor(text = "", starts = [], ends = []) {
      this.text = text;
      this.starts = starts;
      this.ends = ends;
    }

    /* Trace the part of an original between two places. */
    static cut(original, start, end) {
      const traced = new TracedText(original.slice(start, end));
      for (let at = start; at < end; at += 1) {
        traced.starts.push(at);
        traced.ends.push(at + 1);
      }
      return traced;
    }

    /* Add a part of another traced text. */
    copy(source, start, end) {
      this.text += source.text.slice(start, end);
      for (let at = start; at < end; at += 1) {
        this.starts.push(source.starts[at]);
        this.ends.push(source.ends[at]);
      }
    }

    /* Add new text, made of a part of another traced text. */
    write(text, source, start, end) {
      const [first, last] = source.span(start, end);
      this.text += text;
      for (let n = 0; n < text.length; n += 1) {
        this.starts.push(first);
        this.ends.push(last);
      }
    }

    /* Find the part of the original behind [start, end). */
    span(start, end) {
      let first = Infinity;
      let last = 0;
      for (let at = start; at < end; at += 1) {
        first = Math.min(first, this.starts[at]);
        last = Math.max(last, this.ends[at]);
      }
      return [first, last];
    }

    /* Replace each match of a pattern with the flags "dg".

       `form` lists texts, and the numbers of groups to be copied; or it is
       a function from the match to such a list. */
    replace(pattern, form) {
      if (this.text.search(pattern) < 0) return this;
      const result = new TracedText();
      let done = 0;
      for (const match of this.text.matchAll(pattern)) {
        const [start, end] = match.indices[0];
        result.copy(this, done, start);
        const parts = typeof form === "function" ? form(match) : form;
        for (const part of parts) {
          if (typeof part === "string") {
            result.write(part, this, start, end);
          } else if (match.indices[part]) {
            const [first, last] = match.indices[part];
            result.copy(this, first, last);
          }
        }
        done = end;
      }
      result.copy(this, done, this.text.length);
      return result;
    }
  }

  unitconv.TracedText = TracedText;
}
