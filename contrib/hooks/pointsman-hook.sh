#!/bin/sh
# pointsman-hook.sh: what the hooks beside it share. They source it; it does nothing by itself.
#
# Another tool has turned a pair of servers over. Its cluster is looked up in hooks.conf, its addresses
# among our nodes, and then it becomes a proposal to a person (pointsman propose) or, where hooks.conf
# says flip, a check-and-set of the name (pointsman set --expect). A flip that is refused, by a hold say,
# becomes a proposal as well: the servers have moved, and somebody has to know.
#
# Everything is bounded in time, may be repeated, and ends in one of three ways:
#	0  done, or there was nothing to do
#	1  Consul could not be reached in time: worth another try
#	2  refused: the configuration, the addresses or the name are not what the tool thinks
#
# Nothing but what is named here is logged: MHA passes passwords on the command line.

set -f # their words are no patterns

hook_file=${POINTSMAN_HOOKS_CONF:-/etc/pointsman/hooks.conf}
hook_tool=hook

hook_say() {
	printf 'pointsman-%s: %s\n' "$hook_tool" "$1" >&2
	timeout 2 logger -t "pointsman-$hook_tool" -- "$1" 2>/dev/null || :
}

# What a program printed, in one line of text, for a log.
hook_line() {
	LC_ALL=C tr '\n\t' '  ' | LC_ALL=C tr -cd '[:print:]' | sed 's/  */ /g; s/ $//' | cut -c 1-"${1:-600}"
}

# --- hooks.conf ----------------------------------------------------------------------------------------

hook_bad_line() {
	hook_say "$hook_file:$hook_at: $1"
	return 2
}

# One of "mode = flip" and its like: the words are hook_a hook_b hook_c.
hook_take_setting() {
	if [ "$hook_a" != '=' ] || [ -z "$hook_b" ] || [ -n "$hook_c" ]; then
		hook_bad_line "it must be: $1 = WORD" || return
	fi
	case $1 in
	mode)
		case $hook_b in
		propose | flip) hook_mode=$hook_b ;;
		*) hook_bad_line "mode is propose or flip" || return ;;
		esac
		;;
	pointsman) hook_pointsman=$hook_b ;;
	config) hook_config=$hook_b ;;
	sentinel) hook_sentinel=$hook_b ;;
	limit)
		case $hook_b in
		[1-9] | [1-4][0-9] | 50) hook_seconds=$hook_b ;;
		*) hook_bad_line "limit is a number of seconds from 1 to 50" || return ;;
		esac
		;;
	esac
}

hook_take_map() {
	if [ "$hook_b" != '=' ] || [ -z "$hook_c" ] || [ -n "$hook_rest" ]; then
		hook_bad_line "it must be: map CLUSTER = PAIR [propose|flip]" || return
	fi
	case $hook_d in
	'' | propose | flip) ;;
	*) hook_bad_line "behind the pair comes propose or flip" || return ;;
	esac
	hook_maps="$hook_maps$hook_a $hook_c $hook_d
"
}

# hook_load TOOL
# shellcheck disable=SC2034 # what only some of the hooks look at
hook_load() {
	hook_tool=$1 hook_mode=propose hook_pointsman=pointsman hook_config='' hook_sentinel=''
	hook_seconds='' hook_maps='' hook_at=0
	if [ ! -r "$hook_file" ]; then
		hook_say "$hook_file cannot be read: it says which pair a cluster is"
		return 2
	fi
	while read -r hook_word hook_a hook_b hook_c hook_d hook_rest; do
		hook_at=$((hook_at + 1))
		case $hook_word in
		'') ;;
		mode | pointsman | config | sentinel | limit) hook_take_setting "$hook_word" || return ;;
		map) hook_take_map || return ;;
		*) hook_bad_line "$(printf '%s' "$hook_word" | hook_line 40) is no setting" || return ;;
		esac
	done <<-END
		$(sed 's/^[[:space:]]*#.*//; s/[[:space:]]#.*//' "$hook_file")
	END
}

# hook_find_pair CLUSTER ...: the first that is mapped; sets hook_pair and its hook_mode.
hook_find_pair() {
	for hook_cluster in "$@"; do
		while read -r hook_a hook_b hook_c; do
			if [ -n "$hook_a" ] && [ "$hook_a" = "$hook_cluster" ]; then
				hook_pair=$hook_b
				hook_mode=${hook_c:-$hook_mode}
				return 0
			fi
		done <<-END
			$hook_maps
		END
	done
	hook_say "no line 'map $(printf '%s' "$*" | hook_line 80) = PAIR' in $hook_file"
	return 2
}

# --- pointsman -----------------------------------------------------------------------------------------

# hook_begin SECONDS: what the tool allows for all of it; hooks.conf may say less, or more.
hook_begin() {
	hook_end=$(($(date +%s) + ${hook_seconds:-$1}))
}

hook_left() {
	echo $((hook_end - $(date +%s)))
}

# hook_call ARGUMENT ...: pointsman's output in hook_out, its exit status in hook_status, which is that
# of an unreachable Consul when the time is up.
hook_call() {
	hook_status=7 hook_out='the time is up'
	hook_limit=$(hook_left)
	[ "$hook_limit" -ge 1 ] || return 7
	[ "$hook_limit" -le 15 ] || hook_limit=15
	hook_status=0
	hook_out=$(timeout -k 2 "$hook_limit" "$hook_pointsman" ${hook_config:+-c "$hook_config"} "$@" \
		2>&1 </dev/null) || hook_status=$?
	case $hook_status in
	124 | 137) hook_status=7 ;; # killed by timeout
	esac
	return "$hook_status"
}

# 0 to 7 of pointsman(1) as one of our three.
hook_meaning() {
	case $1 in
	0) return 0 ;;
	6 | 7) return 1 ;; # not known whether, or not at all: a repetition does no harm
	*) return 2 ;;
	esac
}

# The value of a member, of what -o json prints: one member a line, names and nodes have no quotes.
hook_member() {
	printf '%s\n' "$hook_out" | awk -F '"' -v key="$1" '$2 == key { print $4; exit }'
}

# What it said when it refused: the fact and what to do, or all of it.
hook_reason() {
	hook_fact=$(printf '%s\n' "$hook_out" | awk -F '": "' '$1 ~ /"fact$/ { print $2; exit }')
	printf '%s' "${hook_fact:-$hook_out}" | hook_line
}

# --- their address, our node ---------------------------------------------------------------------------

# The node of that name, or with that address; several: one a line.
hook_nodes_like() {
	printf '%s\n' "$hook_nodes" | awk -F '"' -v want="$1" '
		$2 == "node" { node = $4 }
		$2 == "node" && node == want || $2 == "address" && $4 == want { print node }' | sort -u
}

# hook_find_node HOST-OR-ADDRESS ...: what is known first; sets hook_node.
hook_find_node() {
	if ! hook_call nodes -o json && [ "$hook_status" -ne 1 ]; then # 1: some node is not well-formed
		hook_say "reading the nodes: $(hook_reason)"
		hook_meaning "$hook_status"
		return
	fi
	hook_nodes=$hook_out
	for hook_host in "$@"; do
		case $hook_host in
		'' | -*) continue ;;
		esac
		hook_host=$(printf '%s' "$hook_host" | tr '[:upper:]' '[:lower:]' | hook_line 253)
		hook_node=$(hook_nodes_like "$hook_host")
		if [ -z "$hook_node" ]; then
			for hook_address in $(timeout 5 getent ahosts "$hook_host" 2>/dev/null |
				awk '{ print $1 }' | sort -u); do
				hook_node=$(hook_nodes_like "$hook_address")
				[ -z "$hook_node" ] || break
			done
		fi
		case $hook_node in
		'') ;;
		*'
'*)
			hook_say "several nodes have the address $hook_host: $(printf '%s' "$hook_node" | hook_line 80)"
			return 2
			;;
		*) return 0 ;;
		esac
	done
	hook_say "no node is or has $(printf '%s' "$*" | hook_line 120): pointsman nodes"
	return 2
}

# --- the decision --------------------------------------------------------------------------------------

hook_propose() {
	if ! hook_call propose "$hook_pair" --from "$hook_from" --to "$hook_to" --promoted \
		--by "$hook_tool" --why "$hook_why"; then
		hook_say "not proposed: $(hook_reason)"
		hook_meaning "$hook_status"
		return
	fi
	hook_say "$(printf '%s' "$hook_out" | hook_line)"
}

# Where the name leads now, and what the flip would be: hook_name, hook_expect, hook_state.
hook_look() {
	hook_call propose "$hook_pair" --from "$hook_from" --to "$hook_to" --promoted \
		--by "$hook_tool" --why "$hook_why" --dry-run -o json || return
	hook_name=$(hook_member name)
	hook_expect=$(hook_member expect)
	hook_state=$(hook_member state)
}

hook_flip() {
	if ! hook_look; then
		hook_say "not flipped: $(hook_reason)"
		hook_meaning "$hook_status"
		return
	fi
	if [ "$hook_state" = nothing ]; then
		hook_say "$hook_name leads to $hook_to already: nothing to do"
		return 0
	fi
	hook_call set "$hook_name" "$hook_to" --expect "$hook_expect" --timeout 5s || :
	hook_said=$(hook_reason)
	hook_meaning "$hook_status"
	hook_result=$?
	# Agents that lag behind, another host that was faster, an answer that was lost: the name decides.
	if [ $hook_result -eq 0 ] || { hook_look && [ "$hook_state" = nothing ]; }; then
		hook_say "$hook_said"
		return 0
	fi
	hook_say "not flipped: $hook_said"
	[ $hook_result -eq 2 ] || return $hook_result
	hook_propose
}

# hook_once FROM TO: each a list of words, the best known first.
hook_once() {
	# shellcheck disable=SC2086 # a list
	hook_find_node $1 || return
	hook_from=$hook_node
	# shellcheck disable=SC2086
	hook_find_node $2 || return
	hook_to=$hook_node
	case $hook_mode in
	flip) hook_flip ;;
	*) hook_propose ;;
	esac
}

# hook_run SECONDS FROM TO WHY: until it is done or refused, or the time is up.
hook_run() {
	hook_begin "$1"
	hook_why=$(printf '%s' "$4" | hook_line 200)
	while :; do
		hook_once "$2" "$3"
		hook_result=$?
		[ $hook_result -eq 1 ] && [ "$(hook_left)" -gt 4 ] || return $hook_result
		sleep 3
	done
}
