"""A WebSocket conversation through Peregrine: an echo server of the library's own behind it, a client before it.

usage: websocket_client.py serve            prints its port, echoes until it is ended
       websocket_client.py talk ws://proxy  prints one JSON object
"""

import asyncio
import json
import sys

import websockets


async def serve():
    async def echo(socket):
        async for message in socket:
            await socket.send(message)

    async with websockets.serve(echo, "127.0.0.1", 0, max_size=1 << 22) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().create_future()


async def talk(url):
    async with websockets.connect(url, max_size=1 << 22) as socket:
        messages = [f"message {number}" for number in range(100)] + ["x" * 300_000, b"\x00\xff" * 50_000]
        same = True
        for message in messages:
            await socket.send(message)
            same = same and await socket.recv() == message
        pong = await socket.ping()
        await pong
        await socket.close(1000, "done")
        return {"same": same, "count": len(messages), "closed": socket.close_code}


if sys.argv[1] == "serve":
    asyncio.run(serve())
else:
    print(json.dumps(asyncio.run(talk(sys.argv[2]))))
