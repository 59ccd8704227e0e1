# pointsman.bash: completion for bash. It only asks `pointsman completion`, which knows every command
# and option of the program that is installed, and the names and nodes that are in the KV now.

_pointsman()
{
	local words

	# bash splits words at '=' and ':' as well; neither stands in a name, a node or an option of ours.
	mapfile -t words < <("${COMP_WORDS[0]}" completion -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
	COMPREPLY=("${words[@]}")
}

# Where pointsman has nothing to offer the shell offers files: `-c FILE`, `--template FILE`.
complete -o default -F _pointsman pointsman
