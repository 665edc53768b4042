import { useRef, useState } from "preact/hooks";
import { announce } from "../app/announce.ts";

/** Text to copy: a command, a script. Where there is no clipboard the text is selected instead. */
export function Code({ title, text }: { title: string; text: string }) {
  const block = useRef<HTMLPreElement>(null);
  const [said, setSaid] = useState("Copy");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setSaid("Copied");
      announce(`${title} copied.`);
    } catch {
      getSelection()?.selectAllChildren(block.current as HTMLPreElement);
      setSaid("Selected: now Ctrl+C");
    }
    setTimeout(() => setSaid("Copy"), 3000);
  };
  return (
    <div class="code">
      <div class="code-head">
        <span>{title}</span>
        <button type="button" class="small" onClick={copy} aria-label={`${said}: ${title}`}>
          {said}
        </button>
      </div>
      <pre ref={block} tabIndex={0} role="region" aria-label={title}>
        {text}
      </pre>
    </div>
  );
}
