"""Start an inferred app on waitress or uvicorn, in the app's own interpreter.

`python <this folder>/wsgi.py FD MODULE:ATTRIBUTE` (asgi.py likewise), run in the project's folder, serves the app on
the listening socket that it inherits as number FD. Nothing here imports the rest of the package, or leaves a name
behind that could stand in the way of the app's modules.
"""
