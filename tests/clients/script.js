// Says in the page what a browser saw; the scenario reads the page.
addEventListener("load", async () => {
  const one = await (await fetch("/data.json")).json();
  const two = await (await fetch("/data.json", { cache: "no-store" })).json();
  const posted = await (await fetch("/echo", { method: "POST", body: "from a browser" })).text();
  const picture = document.querySelector("img");
  const style = getComputedStyle(document.querySelector("h1")).color;
  document.title = "done";
  document.querySelector("#answer").textContent = [
    one.number === two.number ? "same" : "different",
    posted,
    picture.complete && picture.naturalWidth > 0 ? "picture" : "no picture",
    style,
  ].join("; ");
});
