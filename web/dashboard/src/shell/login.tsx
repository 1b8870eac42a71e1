import type { Me, Problem } from "@peregrine/sdk";
import { useMutation } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { client } from "@/lib/api";
import { Button } from "@/ui/button";
import { Logo } from "@/ui/icons";
import { Notice } from "@/ui/states";

export function Login({ refused, onDone }: { refused: Problem | null; onDone: (me: Me) => void }) {
  const [token, setToken] = useState("");
  const field = useRef<HTMLInputElement>(null);
  const login = useMutation<Me, Problem, string>({ mutationFn: (value) => client.login({ token: value }), onSuccess: onDone });
  useEffect(() => {
    document.title = "Log in · Peregrine";
    field.current?.focus();
  }, []);
  const said = login.error ?? refused;
  return (
    <main className="grid min-h-dvh place-items-center px-4 py-10">
      <div className="w-full max-w-90">
        <div className="mb-7 flex flex-col items-center gap-3 text-center">
          <Logo className="size-12" />
          <div>
            <h1 className="text-2xl font-semibold tracking-[-0.02em]">Peregrine</h1>
            <p className="mt-1 text-muted">See what your cache does, and steer it.</p>
          </div>
        </div>
        <form className="flex flex-col gap-3 rounded-xl border border-line bg-surface p-5 shadow-(--shadow)"
          onSubmit={(event) => { event.preventDefault(); if (token.trim()) login.mutate(token.trim()); }}>
          <div className="flex flex-col gap-1">
            <label className="label" htmlFor="token">Token or API key</label>
            <input ref={field} id="token" type="password" className="field mono !h-9" value={token} autoComplete="current-password" spellCheck={false}
              aria-invalid={said ? true : undefined} onChange={(event) => setToken(event.target.value)} />
          </div>
          <Notice problem={said} />
          <Button type="submit" kind="primary" className="!h-9" busy={login.isPending} disabled={!token.trim()}>Log in</Button>
        </form>
        <p className="mt-4 text-center text-xs text-muted">
          The first token lies in <code className="mono">admin.token</code> in the state directory. <code className="mono">peregrine apikeys</code> makes keys with fewer rights.
        </p>
      </div>
    </main>
  );
}
