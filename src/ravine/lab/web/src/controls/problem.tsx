/** A refusal or a failure, in the words of whoever found it. */
export function Problem({ text, again }: { text: string; again?: () => void }) {
  if (!text) return null;
  return (
    <div class="problem" role="alert">
      <p>{text}</p>
      {again && (
        <button type="button" class="small" onClick={again}>
          Try again
        </button>
      )}
    </div>
  );
}
