// Says in the page what a browser saw; the scenario reads the page.
addEventListener("load", async () => {
  const data = await (await fetch("/data.json")).json();
  const posted = await (await fetch("/echo", { method: "POST", body: "from a browser" })).text();
  const picture = document.querySelector("img");
  const style = getComputedStyle(document.querySelector("h1")).color;
  document.title = "done";
  document.querySelector("#answer").textContent = [
    `number ${data.number}`,
    posted,
    picture.complete && picture.naturalWidth > 0 ? "picture" : "no picture",
    style,
  ].join("; ");
});
