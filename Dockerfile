# A container image for Lambda, which works as `upproxy start` and the zip do:
#
#     docker build --build-arg APP_DIR=path/to/your/app -t my-app .
#
# Both stages are Debian's slim Python, not AWS's Lambda image. What the latter adds is a runtime client and an
# entrypoint, and the proxy is both. The packages are installed in the stage of the same base as the one that runs them.
# To call the image without AWS, put AWS's emulator in front of the entrypoint:
#
#     docker run -p 9000:8080 -v ~/.aws-lambda-rie:/rie --entrypoint /rie/aws-lambda-rie my-app \
#         /usr/local/bin/python3 -I -S /var/task/.upproxy/upproxy/proxy/__main__.py
ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS builder
# The command line and what it needs stay in this stage. Outside this repository: RUN pip install upproxy
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY upproxy upproxy
RUN pip install --no-cache-dir --root-user-action ignore .

ARG APP_DIR=sample_app/fastapi
ARG STAGE=production
COPY ${APP_DIR} /var/task
# Before the packages come, so that only the app's own source is searched for the app.
RUN mkdir /var/task/.upproxy \
    && upproxy config --manifest -C /var/task -s ${STAGE} > /var/task/.upproxy/manifest.json
RUN pip install --no-cache-dir --root-user-action ignore \
    -r /var/task/requirements.txt --target /var/task/.upproxy/packages
COPY upproxy/__init__.py /var/task/.upproxy/upproxy/__init__.py
COPY upproxy/proxy /var/task/.upproxy/upproxy/proxy
COPY upproxy/launchers /var/task/.upproxy/upproxy/launchers
# Bytecode without a look at the source's date: nothing is compiled at a cold start, when the disk cannot be written.
# (Packages may hold files that are no valid Python, which is no reason to stop.)
# Lambda runs the image as a user of its own, who has to be able to read it.
RUN python3 -m compileall -qq -j 0 --invalidation-mode unchecked-hash /var/task; \
    chmod -R a+rX /var/task

FROM python:${PYTHON}-slim
# The folder that the proxy starts the app in; the manifest and the packages are found beside the proxy.
ENV LAMBDA_TASK_ROOT=/var/task
WORKDIR /var/task
COPY --from=builder /var/task ./
# -I and -S: the proxy needs nothing but the standard library, and starts 10 ms earlier without a look around.
ENTRYPOINT ["/usr/local/bin/python3", "-I", "-S", "/var/task/.upproxy/upproxy/proxy/__main__.py"]
