"""What a Python service with httpx meets. Prints one JSON object; the scenario judges it.

usage: httpx_client.py http://plain https://secure certificate.pem
"""

import json
import ssl
import sys

import httpx

plain, secure, certificate = sys.argv[1:4]
context = ssl.create_default_context(cafile=certificate)
seen = {}

with httpx.Client(base_url=plain, timeout=20) as client:
    first, second = client.get("/page"), client.get("/page")
    seen["plain"] = {
        "statuses": [first.status_code, second.status_code],
        "version": second.http_version,
        "hit": "; hit" in second.headers["cache-status"],
        "same": first.text == second.text,
    }
    etag = second.headers["etag"]
    seen["not_modified"] = client.get("/page", headers={"If-None-Match": etag}).status_code
    part = client.get("/page", headers={"Range": "bytes=2-5", "Accept-Encoding": "identity"})
    seen["part"] = [part.status_code, part.text, part.headers["content-range"]]
    seen["head"] = [client.head("/page").status_code, len(client.head("/page").content)]
    posted = client.post("/echo", content=(b"chunk%d;" % number for number in range(3)))
    seen["posted"] = posted.text
    large = client.get("/large")
    seen["large"] = [len(large.content), large.headers.get("content-encoding", "identity")]

with httpx.Client(base_url=secure, http2=True, verify=context, timeout=20) as client:
    answers = [client.get("/page") for _ in range(20)]
    seen["secure"] = {
        "statuses": sorted({answer.status_code for answer in answers}),
        "versions": sorted({answer.http_version for answer in answers}),
        "same": {answer.text for answer in answers} == {first.text},
    }
    seen["secure_posted"] = client.post("/echo", content=b"over h2").text

print(json.dumps(seen))
