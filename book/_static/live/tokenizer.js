"use strict";
/* Byte-level BPE, as the model's tokenizer.json describes it.

   A text is cut into pieces, a piece is written in bytes, and the bytes are
   merged pair by pair (Sennrich et al. 2016, arXiv:1508.07909). */

window.unitconv = window.unitconv || {};
{
  /* Whatever counts as a number is a piece of its own ... */
  const DIGIT = /(\p{N})/u;
  /* ... and the rest is cut as for GPT-2. JavaScript's \s is not quite the
     white space of Unicode, so that is spelled out. */
  const PIECE = new RegExp(
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+" +
    "| ?[^\\p{White_Space}\\p{L}\\p{N}]+" +
    "|\\p{White_Space}+(?!\\P{White_Space})|\\p{White_Space}+",
    "gu",
  );

  /* GPT-2's alphabet: a visible character for each of the 256 bytes. Bytes
     that show nothing are moved beyond 255, in order. */
  function byteAlphabet() {
    const shown = (byte) => (byte > 32 && byte < 127)
      || (byte > 160 && byte !== 173);
    let moved = 256;
    return Array.from({ length: 256 }, (_, byte) =>
      String.fromCodePoint(shown(byte) ? byte : moved++));
  }

  const ALPHABET = byteAlphabet();
  const BYTES = new Map(ALPHABET.map((letter, byte) => [letter, byte]));

  /* What Python's strip() takes off is not quite what trim() does. */
  const BLANK = "[\\p{White_Space}\\x1c-\\x1f]*";
  const STRIPPED = new RegExp(`^(${BLANK})(.*?)(${BLANK})$`, "su");

  /* Put a text into its slot, in pieces that are tokenized apart. Where
     somebody typed a special token, the library cuts the text from the
     blanks and the turn around it, so that no token grows across. */
  function fillSlot(part, [slot, text], typed) {
    const [before, after] = part.split(slot);
    if (!typed || part === slot) return [before + text + after];
    const [, left, middle, right] = text.match(STRIPPED);
    return [before + left, middle, right + after];
  }

  function escapeRegExp(text) {
    return text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  }

  class Tokenizer {
    /* `tokens` by id, `merges` ("a b", the first to merge first) and the
       texts of the `special` tokens. */
    constructor({ tokens, merges, special }) {
      this.tokens = tokens;
      this.ids = new Map(tokens.map((token, id) => [token, id]));
      this.ranks = new Map(merges.map((pair, rank) => [pair, rank]));
      this.special = new Set(special);
      const names = special.map(escapeRegExp).join("|");
      this.specialPattern = new RegExp(`(${names})`);
    }

    /* Merge the neighbours whose pair was learned first, the leftmost
       of these, until no pair is left to merge. */
    merge(parts) {
      for (;;) {
        let best = Infinity, at = -1;
        for (let i = 0; i + 1 < parts.length; i++) {
          const rank = this.ranks.get(`${parts[i]} ${parts[i + 1]}`);
          if (rank < best) [best, at] = [rank, i];
        }
        if (at < 0) return parts;
        parts.splice(at, 2, parts[at] + parts[at + 1]);
      }
    }

    /* Tokenize a text. What looks like a special token in it is text. */
    encode(text) {
      const ids = [];
      const pieces = text.split(DIGIT)
        .flatMap((part) => part.match(PIECE) || []);
      for (const piece of pieces) {
        const bytes = [...new TextEncoder().encode(piece)];
        const parts = this.merge(bytes.map((byte) => ALPHABET[byte]));
        for (const part of parts) ids.push(this.ids.get(part));
      }
      return ids;
    }

    /* Tokenize a prompt: the template's special tokens are special, and a
       text in the place of a slot is text. A slot is "{question}", or what
       else of the template is replaced: pairs of a slot and its text. */
    encodePrompt(template, question, others = []) {
      const slots = [...others, ["{question}", question]];
      const isTyped = ([, text]) => this.specialPattern.test(text);
      const typed = slots.some(isTyped);
      return template.split(this.specialPattern).flatMap((part) => {
        if (this.special.has(part)) return [this.ids.get(part)];
        const found = slots.find(([slot]) => part.includes(slot));
        if (!found) return this.encode(part);
        return fillSlot(part, found, typed)
          .flatMap((piece) => this.encode(piece));
      });
    }

    /* Decode tokens to text, with or without the special ones. */
    decode(ids, { withSpecial = false } = {}) {
      const bytes = [];
      for (const id of ids) {
        const token = this.tokens[id];
        if (this.special.has(token)) {
          if (withSpecial) bytes.push(...new TextEncoder().encode(token));
        } else {
          for (const letter of token) bytes.push(BYTES.get(letter));
        }
      }
      const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
      return decoder.decode(new Uint8Array(bytes));
    }
  }

  window.unitconv.Tokenizer = Tokenizer;
}
