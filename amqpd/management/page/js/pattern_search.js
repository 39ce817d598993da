// Which names a pattern of a policy is found in.

const LONGEST_MS = 1500;

/** Tries patterns on names, one at a time; `end` when the page is left. */
export class PatternSearch {
  #worker = null;
  #giveUp = null;

  /** Resolves to {found: [whether, for each name]} or {problem}; to null if another search has begun meanwhile. */
  search(pattern, names) {
    this.end();
    const worker = new Worker(new URL("./pattern_worker.js", import.meta.url), {type: "module"});
    this.#worker = worker;
    return new Promise((resolve) => {
      const answer = (value) => {
        clearTimeout(late);
        worker.terminate();
        resolve(value);
      };
      const late = setTimeout(() => answer({problem: "this pattern takes too long to try here"}), LONGEST_MS);
      this.#giveUp = () => answer(null);
      worker.onmessage = ({data}) => answer(data);
      worker.onerror = () => answer({problem: "patterns can't be tried in this browser"});
      worker.postMessage({pattern, names});
    });
  }

  /** Stop what is being tried. */
  end() {
    this.#giveUp?.();
    this.#giveUp = null;
    this.#worker = null;
  }
}
