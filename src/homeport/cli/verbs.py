# SPDX-License-Identifier: Apache-2.0
"""Every verb: where it lives, and its line in the help. Static, so that the help imports none of them."""

from __future__ import annotations

SECTIONS: tuple[tuple[str, dict[str, tuple[str, str]]], ...] = (
    (
        "From a source to an agent",
        {
            "up": ("up:up", "Analyse, plan, show the price, deploy, follow until it answers."),
            "analyze": ("analyze:analyze", "What a source needs, each conclusion with file and line."),
            "plan": ("plan:plan", "What would be done, where and at what price, and why others lost."),
            "apply": ("apply:apply", "Make a kept plan real, exactly; refused where the world moved."),
            "deploy": ("apply:deploy", "The same, by its older name."),
            "catalog": ("catalog:catalog", "Machines that could be had, their prices, and how old these are."),
        },
    ),
    (
        "Agents",
        {
            "list": ("agents:list_", "Agents with their state, queue, cost and URL."),
            "inspect": ("agents:inspect", "Everything known about an agent."),
            "logs": ("logs:logs", "What an agent printed."),
            "invoke": ("invoke:invoke", "Send an agent a request through the gateway."),
            "start": ("life:start", "Start agents that were stopped or crashed."),
            "stop": ("life:stop", "Stop agents; their data and requests stay."),
            "restart": ("life:restart", "Stop and start agents."),
            "remove": ("life:remove", "Stop agents and remove their records, folders and logs."),
            "requests": ("requests:requests", "Requests in the journal, dead letters, exports."),
            "events": ("logs:events", "What happened, and what happens."),
        },
    ),
    (
        "Access",
        {
            "token": ("access:token", "Tokens: create, list, revoke."),
            "secret": ("access:secret", "Secrets: set, list, remove. Values never come out."),
            "webhooks": ("webhooks:webhooks", "Who is told of changes of requests: add, list, test, retry."),
            "audit": ("access:audit", "Who did what: list, verify."),
        },
    ),
    (
        "This machine",
        {
            "serve": ("serve:serve", "Run the server (keeper, gateway, API)."),
            "store": ("store:store", "Copy what the server knows between SQLite and PostgreSQL."),
            "backup": ("backup:backup", "Everything into one file, while it runs; verify such a file."),
            "restore": ("backup:restore", "Make a home from a backup."),
            "status": ("server:status", "Is a server running, where does it listen, what does it confine."),
            "server": ("server:server_", "The server: its status; replace the gateway under load."),
            "doctor": ("doctor:doctor", "What is here, what is missing, and the command that adds it."),
            "version": ("server:version", "Print the version."),
            "completion": ("server:completion", "Print the completion script of a shell."),
        },
    ),
)

VERBS: dict[str, tuple[str, str]] = {name: entry for _, verbs in SECTIONS for name, entry in verbs.items()}
