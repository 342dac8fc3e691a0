# SPDX-License-Identifier: Apache-2.0
"""Paths that programs answer health checks on, and how sure one is on meeting them as a route."""

HEALTH = {
    "/health": 0.8,
    "/healthz": 0.79,
    "/api/health": 0.74,
    "/health/live": 0.73,
    "/livez": 0.72,
    "/live": 0.6,
    "/health/ready": 0.6,
    "/readyz": 0.6,
    "/ready": 0.6,
    "/-/healthy": 0.6,
    "/ping": 0.5,
    "/status": 0.4,
}
