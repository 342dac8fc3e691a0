# SPDX-License-Identifier: Apache-2.0
"""The paths, a module per noun."""

from __future__ import annotations

from fastapi import APIRouter

from homeport.api.routes import agents, audit, backup, deployments, events, requests, secrets, server, tokens, webhooks

ROUTERS: tuple[APIRouter, ...] = (
    server.router,
    deployments.router,
    agents.router,
    events.router,
    requests.router,
    tokens.router,
    secrets.router,
    webhooks.router,
    audit.router,
    backup.router,
)
