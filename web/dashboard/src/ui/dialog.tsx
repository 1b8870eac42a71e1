import { useId, useLayoutEffect, useRef, type ReactNode } from "react";
import { IconButton } from "./button";

/** The browser's own modal dialog: it keeps the focus, closes by Escape and gives the focus back. */
export function Dialog({ title, onClose, children, footer, side = false, wide = false }: {
  title: ReactNode; onClose: () => void; children: ReactNode; footer?: ReactNode; side?: boolean; wide?: boolean;
}) {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  // Closed before it is taken out, or the browser would not give the focus back.
  useLayoutEffect(() => {
    const dialog = ref.current;
    if (dialog && !dialog.open) dialog.showModal();
    return () => dialog?.close();
  }, []);
  const shape = side
    ? "mr-0 my-0 h-dvh max-h-dvh w-[min(34rem,100vw)] border-l"
    : `w-[calc(100vw-1.5rem)] ${wide ? "max-w-[52rem]" : "max-w-[34rem]"} max-h-[calc(100dvh-2rem)] rounded-2xl border`;
  return (
    <dialog ref={ref} aria-labelledby={id} onCancel={(event) => { event.preventDefault(); onClose(); }}
      onMouseDown={(event) => { if (event.target === ref.current) onClose(); }}
      className={`border-line bg-surface p-0 text-text shadow-2xl ${shape}`}>
      <div className="flex max-h-[inherit] min-h-0 flex-col">
        <header className="flex items-center gap-3 border-b border-line px-4 py-3">
          <h2 id={id} className="min-w-0 truncate text-base font-semibold">{title}</h2>
          <IconButton icon="close" label="Close" className="-mr-1.5 ml-auto" onClick={onClose} />
        </header>
        <div className="min-h-0 flex-1 overflow-y-auto px-4 py-4" tabIndex={-1}>{children}</div>
        {footer && <footer className="flex flex-wrap justify-end gap-2 border-t border-line px-4 py-3">{footer}</footer>}
      </div>
    </dialog>
  );
}
