"use strict";
/* Questions that check themselves (`{quiz}`): the options of the list
   become buttons. The chosen one is marked, and the explanation opens. */

{
  function verdict(item, right) {
    const mark = document.createElement("span");
    mark.className = "quiz-mark";
    mark.textContent = right ? " Right." : " No.";
    item.append(mark);
  }

  function choose(quiz, item, right) {
    for (const mark of quiz.querySelectorAll(".quiz-mark")) mark.remove();
    for (const other of item.parentElement.children)
      other.classList.remove("quiz-chosen");
    item.classList.add("quiz-chosen");
    verdict(item, right);
    const fold = quiz.querySelector("details");
    fold.open = right;
    fold.hidden = !right;
  }

  for (const quiz of document.querySelectorAll(".quiz")) {
    const [, number] = quiz.className.match(/quiz-right-(\d+)/);
    const list = quiz.querySelector("ul");
    list.setAttribute("aria-live", "polite");
    quiz.querySelector("details").hidden = true;
    quiz.querySelector("summary").hidden = true;
    quiz.querySelector(".quiz-answer > p").hidden = true; // which one
    [...list.children].forEach((item, index) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...item.childNodes);
      item.append(button);
      const right = index + 1 === Number(number);
      button.addEventListener("click", () => choose(quiz, item, right));
    });
  }
}
