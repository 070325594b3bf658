"use strict";
/* Which reply has which slot in each decoding step.

   A reply of n tokens takes n - 1 steps: its first token comes from
   reading the prompt. With refill it is the order of
   unitconv/inference/engine.py, without it that of padded batches. */

window.unitconv = window.unitconv || {};
{
  const REFILL_SHARE = 1 / 16; // of the slots must be free to admit

  /* Batches that wait for their longest reply. Each step lists, for each
     row of the batch, the number of its reply; `waits` of a row says that
     its reply is done. */
  function scheduleBatches(lengths, slots) {
    const steps = [];
    for (let first = 0; first < lengths.length; first += slots) {
      const batch = lengths.slice(first, first + slots);
      for (let step = 1; step < Math.max(...batch); step++)
        steps.push(batch.map((length, row) =>
          ({ reply: first + row, waits: step >= length })));
    }
    return steps;
  }

  /* Slots that are refilled: a reply that is done leaves at once. */
  function scheduleRefilled(lengths, slots) {
    slots = Math.min(slots, lengths.length);
    const left = [...lengths]; // tokens still to be written
    const used = []; // the reply in each slot in use
    const steps = [];
    let waiting = 0;
    while (waiting < lengths.length || used.length) {
      const free = slots - used.length;
      const fits = free >= slots * REFILL_SHARE;
      if (waiting < lengths.length && fits) {
        const admitted = Math.min(free, lengths.length - waiting);
        for (let n = 0; n < admitted; n++) used.push(waiting++);
        write(used.slice(-admitted), left);
      } else {
        steps.push(used.map((reply) => ({ reply, waits: false })));
        write(used, left);
      }
      closeGaps(used, left);
    }
    return steps;
  }

  function write(replies, left) {
    for (const reply of replies) left[reply] -= 1;
  }

  /* Move the last replies to the slots of those that are done. */
  function closeGaps(used, left) {
    const isDone = (reply) => left[reply] === 0;
    while (used.some(isDone)) {
      const last = used.pop();
      if (!isDone(last)) used[used.findIndex(isDone)] = last;
    }
  }

  /* The schedule of replies of these lengths. */
  function schedule(lengths, slots, refill) {
    return refill
      ? scheduleRefilled(lengths, slots)
      : scheduleBatches(lengths, slots);
  }

  /* Count the first `count` steps. A slot is idle where its reply is done,
     or where it has none although others are still written. */
  function countSteps(steps, slots, count = steps.length) {
    const rows = steps.slice(0, count).flat();
    const useful = rows.filter(({ waits }) => !waits).length;
    return { steps: count, useful, idle: count * slots - useful };
  }

  Object.assign(window.unitconv, { schedule, countSteps });
}
