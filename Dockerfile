# A container image for Lambda, which works as `upproxy start` and the zip do. From a checkout, for any Python app:
#
#     docker build --build-arg APP_DIR=path/to/your/app -t my-app .
#
# Both stages are Debian's slim Python, not AWS's Lambda image. What the latter adds is a runtime client and an
# entrypoint, and the proxy is both. An app that names another Python in up.yml wants it in PYTHON, too.
# To call the image without AWS, put AWS's emulator in front of the entrypoint:
#
#     docker run -p 9000:8080 -v ~/.aws-lambda-rie:/rie --entrypoint /rie/aws-lambda-rie my-app \
#         /var/task/.upproxy/bootstrap
ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS builder
# The command line and what it needs stay in this stage. Outside this repository: RUN pip install upproxy
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY upproxy upproxy
RUN pip install --no-cache-dir --root-user-action ignore .

ARG APP_DIR=sample_app/fastapi
ARG STAGE=production
COPY ${APP_DIR} /build/app
# The app, its packages and a server for it, the proxy and its manifest, all with bytecode.
RUN upproxy build --image -C /build/app -s ${STAGE} --output /build/image

FROM python:${PYTHON}-slim
# The folder that the proxy starts the app in; the manifest and the packages are found beside the proxy.
ENV LAMBDA_TASK_ROOT=/var/task
WORKDIR /var/task
COPY --from=builder /build/image/task ./
ENTRYPOINT ["/var/task/.upproxy/bootstrap"]
