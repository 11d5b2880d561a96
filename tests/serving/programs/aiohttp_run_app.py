import sys

from aiohttp import web


async def hello(request):
    return web.Response(text="hello\n")


app = web.Application()
app.add_routes([web.get("/", hello)])

if __name__ == "__main__":
    web.run_app(app, host=sys.argv[1], port=int(sys.argv[2]), print=None)
