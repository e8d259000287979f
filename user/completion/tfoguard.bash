# bash completion for tfoguard(8)                          -*- shell-script -*-

_tfoguard() {
	local cur prev words cword
	_init_completion || return

	local commands="attach detach run status stats metrics explain cookie key
		allow block check doctor version"
	if [ "$cword" -eq 1 ]; then
		mapfile -t COMPREPLY < <(compgen -W "$commands --help" -- "$cur")
		return
	fi
	case $prev in
	--log-format)
		mapfile -t COMPREPLY < <(compgen -W "text json" -- "$cur")
		return
		;;
	-i | --interface)
		_available_interfaces
		return
		;;
	--ring | --textfile | --web.config.file)
		_filedir
		return
		;;
	-m | --mode)
		mapfile -t COMPREPLY < <(compgen -W "native skb" -- "$cur")
		return
		;;
	-c | --config)
		_filedir '@(yaml|yml)'
		return
		;;
	-f | --file)
		_filedir
		return
		;;
	esac

	local options="--json --pretty --help"
	case ${words[1]} in
	attach) options+=" --config --mode --port --observe" ;;
	run)
		options+=" --config --interface --detach-on-exit --log-format"
		options+=" --web.listen-address --web.config.file --web.telemetry-path"
		;;
	stats) options+=" --watch --all" ;;
	metrics) options+=" --textfile" ;;
	explain) options+=" --config --key --port --live --pressure" ;;
	cookie) options+=" --key" ;;
	allow | block) options+=" --file" ;;
	check) options+=" --config" ;;
	key) options+=" --ring --overlap --emergency --reveal" ;;
	esac
	case $cur in
	-*)
		mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
		return
		;;
	esac
	case ${words[1]} in
	attach | detach | status | stats | doctor) _available_interfaces ;;
	explain) _filedir '@(pcap|pcapng|cap)' ;;
	allow | block) mapfile -t COMPREPLY < <(compgen -W "add del list" -- "$cur") ;;
	key)
		if [ "$cword" -eq 2 ]; then
			mapfile -t COMPREPLY < <(compgen -W "show stage promote \
				retire rotate import export history" -- "$cur")
		else
			_filedir
		fi
		;;
	esac
} &&
	complete -F _tfoguard tfoguard
