# SPDX-License-Identifier: Apache-2.0
# Who may do what on the management API and the data plane.
#
# input: {"actor": {"id", "role", "namespace", "agents": [name...]}, "verb", "namespace", "subject"}
# Allowed is only what a rule below proves; a missing or odd field proves nothing.
package homeport.authz

import rego.v1

reads := {
	"agents.read", "deployments.read", "requests.read", "logs.read",
	"events.read", "secrets.read", "server.read", "requests.export",
	"webhooks.read",
}

changes := {
	"agents.write", "deployments.write", "requests.write", "requests.bodies",
	"dataplane.call", "webhooks.write",
}

keys := {"tokens.read", "tokens.write", "secrets.write", "audit.read"}

# secrets.read shows names only; no verb shows a value. requests.export shows heads: bodies need requests.bodies too.
verbs := {
	"viewer": reads,
	"approver": reads,
	"operator": reads | changes,
	"admin": (reads | changes) | keys,
	"agent": {"dataplane.call"},
}

default allow := false

allow if {
	count(deny) == 0
	input.verb in verbs[input.actor.role]
	at_home
	agent_in_reach
}

# A backup holds every namespace, and keys: it is for whoever owns the files anyway.
allow if {
	count(deny) == 0
	input.verb == "server.backup"
	owns_the_files
	named(input.namespace)
}

# A namespace is a wall for every token. Whoever owns the local socket owns the files on both sides of it.
at_home if {
	named(input.actor.namespace)
	input.actor.namespace == input.namespace
}

at_home if {
	owns_the_files
	named(input.namespace)
}

owns_the_files if {
	input.actor.role == "admin"
	regex.match(`^local:[0-9]+$`, input.actor.id)
}

# The data plane: a token that lists agents reaches those and no other; one of role agent must list them.
agent_in_reach if input.verb != "dataplane.call"

agent_in_reach if {
	named(input.subject)
	is_array(input.actor.agents)
	input.subject in input.actor.agents
	input.subject != "*"
}

agent_in_reach if {
	named(input.subject)
	input.actor.role in {"operator", "admin"}
	input.actor.agents == []
}

deny contains "the caller is not identified" if not named(input.actor.id)

deny contains "the role is not one of viewer, operator, approver, admin, agent" if not known_role

deny contains "the namespace of the call is not given" if not named(input.namespace)

deny contains "the call does not say which verb" if not named(input.verb)

known_role if {
	named(input.actor.role)
	verbs[input.actor.role]
}

named(text) if {
	is_string(text)
	text != ""
}

# For people. The first that fits.
reason := concat("; ", sort(deny)) if {
	count(deny) > 0
} else := "allowed" if {
	allow
} else := "a backup holds every namespace: only the owner of the local socket may make one" if {
	input.verb == "server.backup"
} else := sprintf("role %s may not %s", [input.actor.role, input.verb]) if {
	not input.verb in verbs[input.actor.role]
} else := sprintf("a token of namespace %v does not reach namespace %v", [input.actor.namespace, input.namespace]) if {
	not at_home
} else := sprintf("the token does not name the agent %v", [input.subject]) if {
	not agent_in_reach
} else := "denied"
