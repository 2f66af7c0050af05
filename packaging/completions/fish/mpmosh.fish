# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_mpmosh_global_optspecs
    string join \n predict= a n o/predict-overwrite on-hangup= clipboard= no-init redundancy= prefer= backup= never= metered= carrier= keepalive= address= family= 4 6 p/port= bind-server= dialect= session-ttl= server= client= ssh= ssh-pty no-ssh-pty experimental-remote-ip= trace= log= log-level= local v/verbose session= take install-server= l= ssh-port= i= F= J= ssh-option= h/help V/version
end

function __fish_mpmosh_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_mpmosh_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_mpmosh_using_subcommand
    set -l cmd (__fish_mpmosh_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c mpmosh -l predict -d 'When typed keys are shown before the server echoes them: adaptive (the default), always, never, experimental' -r -f -a "adaptive\t''
always\t''
never\t''
experimental\t''"
complete -c mpmosh -l on-hangup -d 'What a hang-up of this terminal does to the session; when it is not said, one with a name is detached, and one without ends: detach, end' -r -f -a "detach\t''
end\t''"
complete -c mpmosh -l clipboard -d 'What programs on the server may do with the clipboard of this terminal (OSC 52): write (the default), off' -r -f -a "write\t''
off\t''"
complete -c mpmosh -l redundancy -d 'Send data over several paths at once: off, auto (the default), always' -r -f -a "off\t''
auto\t''
always\t''"
complete -c mpmosh -l prefer -d 'Use this interface before others (repeatable)' -r -f -a "(__fish_print_interfaces)"
complete -c mpmosh -l backup -d 'Use this interface only when nothing else works (repeatable)' -r -f -a "(__fish_print_interfaces)"
complete -c mpmosh -l never -d 'Do not use this interface, not even for ssh (repeatable)' -r -f -a "(__fish_print_interfaces)"
complete -c mpmosh -l metered -d 'What to do with metered networks: backup (the default), allow, never' -r -f -a "backup\t''
allow\t''
never\t''"
complete -c mpmosh -l carrier -d 'Go through ssh where UDP is blocked: auto (the default), never, always' -r -f -a "auto\t''
never\t''
always\t''"
complete -c mpmosh -l keepalive -d 'How long a sleeping session may be silent, where the networks between bear it: 3 to 35 (25 by default)' -r
complete -c mpmosh -l address -d 'Another address of the server (repeatable)' -r
complete -c mpmosh -l family -d 'Which address families to use: inet, inet6, auto (the default), all, prefer-inet, prefer-inet6' -r -f -a "inet\t''
inet6\t''
auto\t''
all\t''
prefer-inet\t''
prefer-inet6\t''"
complete -c mpmosh -s p -l port -d 'The server\'s UDP port, or a range of them' -r
complete -c mpmosh -l bind-server -d 'Which of its addresses the server accepts (any of ours, ssh of a stock one): any, ssh or an IP address of the server' -r
complete -c mpmosh -l dialect -d 'The wire format: auto (the default), multipath, mosh, mp-mosh' -r -f -a "auto\t''
multipath\t''
mosh\t''
mp-mosh\t''"
complete -c mpmosh -l session-ttl -d 'How long a detached session waits for a client, 0 for ever; the server\'s own default is 14 days: 0 to 315360000' -r
complete -c mpmosh -l server -d 'The command that starts the server on the other side' -r -f -a "(__fish_complete_command)"
complete -c mpmosh -l client -d 'Run this mpmosh-client instead of carrying the session in this process' -r -F
complete -c mpmosh -l ssh -d 'Use this ssh command instead of the built-in one' -r -f -a "(__fish_complete_command)"
complete -c mpmosh -l experimental-remote-ip -d 'Where the server\'s address comes from, ssh\'s connection, the name or the host: proxy (the default), local, remote' -r -f -a "proxy\t''
local\t''
remote\t''"
complete -c mpmosh -l trace -d 'Write one JSON object per network event to this file' -r -F
complete -c mpmosh -l log -d 'Write the log to this file instead of standard error' -r -F
complete -c mpmosh -l log-level -d 'What to log: off, error, warn (the default), info, debug, trace' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c mpmosh -l session -d 'Attach to your session of this name there, or create it: it outlives its client' -r -f
complete -c mpmosh -l install-server -d 'First copy a server that fits into ~/.local/bin on the host; FROM is a file or a directory of builds' -r
complete -c mpmosh -s l -d 'The user on the other side' -r -f -a "(__fish_complete_users)"
complete -c mpmosh -l ssh-port -d 'The ssh server\'s TCP port' -r
complete -c mpmosh -s i -d 'A private key to authenticate with (repeatable)' -r -F
complete -c mpmosh -s F -d 'The ssh configuration file' -r -F
complete -c mpmosh -s J -d 'Reach the host through this one' -r -f -a "(__fish_print_hostnames)"
complete -c mpmosh -l ssh-option -d 'An option for ssh, as -o Key=Value (repeatable)' -r
complete -c mpmosh -n "__fish_mpmosh_needs_command" -s a -d 'Same as --predict=always'
complete -c mpmosh -n "__fish_mpmosh_needs_command" -s n -d 'Same as --predict=never'
complete -c mpmosh -n "__fish_mpmosh_needs_command" -s o -l predict-overwrite -d 'Predicted keys overwrite instead of inserting'
complete -c mpmosh -n "__fish_mpmosh_needs_command" -l no-init -d 'Do not switch the terminal to its alternate screen'
complete -c mpmosh -n "__fish_mpmosh_needs_command" -s 4 -d 'Same as --family=inet'
complete -c mpmosh -n "__fish_mpmosh_needs_command" -s 6 -d 'Same as --family=inet6'
complete -c mpmosh -n "__fish_mpmosh_needs_command" -l ssh-pty -d 'Ask ssh for a terminal'
complete -c mpmosh -n "__fish_mpmosh_needs_command" -l no-ssh-pty -d 'Not --ssh-pty (the default)'
complete -c mpmosh -n "__fish_mpmosh_needs_command" -l local -d 'Start the server on this machine, without ssh, and connect to it over its own addresses'
complete -c mpmosh -n "__fish_mpmosh_needs_command" -s v -l verbose -d 'Tell more; repeat for more still'
complete -c mpmosh -n "__fish_mpmosh_needs_command" -l take -d 'Take the session over without a question where another client has it'
complete -c mpmosh -n "__fish_mpmosh_needs_command" -s h -l help -d 'Print help'
complete -c mpmosh -n "__fish_mpmosh_needs_command" -s V -l version -d 'Print version'
complete -c mpmosh -n "__fish_mpmosh_needs_command" -a "paths" -d 'Shows the paths of the sessions that run'
complete -c mpmosh -n "__fish_mpmosh_needs_command" -a "plot" -d 'Draws the paths of a session from its trace'
complete -c mpmosh -n "__fish_mpmosh_needs_command" -a "sessions" -d 'List your sessions on a host, and the command that returns to each'
complete -c mpmosh -n "__fish_mpmosh_needs_command" -a "attach" -d 'Return to a session that goes on without a client, or take one over'
complete -c mpmosh -n "__fish_mpmosh_needs_command" -a "detach" -d 'Take a session away from its client; the program in it goes on'
complete -c mpmosh -n "__fish_mpmosh_needs_command" -a "kill" -d 'End a session; the program in it is hung up on'
complete -c mpmosh -n "__fish_mpmosh_needs_command" -a "doctor" -d 'Examine the way to a host, stage by stage, with what shows it and what to do'
complete -c mpmosh -n "__fish_mpmosh_needs_command" -a "config" -d 'Show every setting in force, and where it comes from, in the words of the configuration file'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand paths" -l watch -d 'Keep showing them, until q or the end of the last session'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand paths" -l json -d 'Write them as JSON'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand paths" -s h -l help -d 'Print help'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand plot" -s o -l output -d 'The figure to write: SVG or PNG, by its name' -r -F
complete -c mpmosh -n "__fish_mpmosh_using_subcommand plot" -s h -l help -d 'Print help'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand sessions" -l predict -d 'When typed keys are shown before the server echoes them: adaptive (the default), always, never, experimental' -r -f -a "adaptive\t''
always\t''
never\t''
experimental\t''"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand sessions" -l on-hangup -d 'What a hang-up of this terminal does to the session; when it is not said, one with a name is detached, and one without ends: detach, end' -r -f -a "detach\t''
end\t''"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand sessions" -l clipboard -d 'What programs on the server may do with the clipboard of this terminal (OSC 52): write (the default), off' -r -f -a "write\t''
off\t''"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand sessions" -l redundancy -d 'Send data over several paths at once: off, auto (the default), always' -r -f -a "off\t''
auto\t''
always\t''"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand sessions" -l prefer -d 'Use this interface before others (repeatable)' -r -f -a "(__fish_print_interfaces)"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand sessions" -l backup -d 'Use this interface only when nothing else works (repeatable)' -r -f -a "(__fish_print_interfaces)"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand sessions" -l never -d 'Do not use this interface, not even for ssh (repeatable)' -r -f -a "(__fish_print_interfaces)"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand sessions" -l metered -d 'What to do with metered networks: backup (the default), allow, never' -r -f -a "backup\t''
allow\t''
never\t''"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand sessions" -l carrier -d 'Go through ssh where UDP is blocked: auto (the default), never, always' -r -f -a "auto\t''
never\t''
always\t''"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand sessions" -l keepalive -d 'How long a sleeping session may be silent, where the networks between bear it: 3 to 35 (25 by default)' -r
complete -c mpmosh -n "__fish_mpmosh_using_subcommand sessions" -l address -d 'Another address of the server (repeatable)' -r
complete -c mpmosh -n "__fish_mpmosh_using_subcommand sessions" -l family -d 'Which address families to use: inet, inet6, auto (the default), all, prefer-inet, prefer-inet6' -r -f -a "inet\t''
inet6\t''
auto\t''
all\t''
prefer-inet\t''
prefer-inet6\t''"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand sessions" -s p -l port -d 'The server\'s UDP port, or a range of them' -r
complete -c mpmosh -n "__fish_mpmosh_using_subcommand sessions" -l bind-server -d 'Which of its addresses the server accepts (any of ours, ssh of a stock one): any, ssh or an IP address of the server' -r
complete -c mpmosh -n "__fish_mpmosh_using_subcommand sessions" -l dialect -d 'The wire format: auto (the default), multipath, mosh, mp-mosh' -r -f -a "auto\t''
multipath\t''
mosh\t''
mp-mosh\t''"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand sessions" -l session-ttl -d 'How long a detached session waits for a client, 0 for ever; the server\'s own default is 14 days: 0 to 315360000' -r
complete -c mpmosh -n "__fish_mpmosh_using_subcommand sessions" -l server -d 'The command that starts the server on the other side' -r -f -a "(__fish_complete_command)"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand sessions" -l client -d 'Run this mpmosh-client instead of carrying the session in this process' -r -F
complete -c mpmosh -n "__fish_mpmosh_using_subcommand sessions" -l ssh -d 'Use this ssh command instead of the built-in one' -r -f -a "(__fish_complete_command)"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand sessions" -l experimental-remote-ip -d 'Where the server\'s address comes from, ssh\'s connection, the name or the host: proxy (the default), local, remote' -r -f -a "proxy\t''
local\t''
remote\t''"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand sessions" -l trace -d 'Write one JSON object per network event to this file' -r -F
complete -c mpmosh -n "__fish_mpmosh_using_subcommand sessions" -l log -d 'Write the log to this file instead of standard error' -r -F
complete -c mpmosh -n "__fish_mpmosh_using_subcommand sessions" -l log-level -d 'What to log: off, error, warn (the default), info, debug, trace' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand sessions" -s l -d 'The user on the other side' -r -f -a "(__fish_complete_users)"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand sessions" -l ssh-port -d 'The ssh server\'s TCP port' -r
complete -c mpmosh -n "__fish_mpmosh_using_subcommand sessions" -s i -d 'A private key to authenticate with (repeatable)' -r -F
complete -c mpmosh -n "__fish_mpmosh_using_subcommand sessions" -s F -d 'The ssh configuration file' -r -F
complete -c mpmosh -n "__fish_mpmosh_using_subcommand sessions" -s J -d 'Reach the host through this one' -r -f -a "(__fish_print_hostnames)"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand sessions" -l ssh-option -d 'An option for ssh, as -o Key=Value (repeatable)' -r
complete -c mpmosh -n "__fish_mpmosh_using_subcommand sessions" -l json -d 'Write them as JSON'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand sessions" -s a -d 'Same as --predict=always'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand sessions" -s n -d 'Same as --predict=never'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand sessions" -s o -l predict-overwrite -d 'Predicted keys overwrite instead of inserting'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand sessions" -l no-init -d 'Do not switch the terminal to its alternate screen'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand sessions" -s 4 -d 'Same as --family=inet'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand sessions" -s 6 -d 'Same as --family=inet6'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand sessions" -l ssh-pty -d 'Ask ssh for a terminal'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand sessions" -l no-ssh-pty -d 'Not --ssh-pty (the default)'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand sessions" -l local -d 'Start the server on this machine, without ssh, and connect to it over its own addresses'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand sessions" -s v -l verbose -d 'Tell more; repeat for more still'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand sessions" -s h -l help -d 'Print help'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand attach" -l predict -d 'When typed keys are shown before the server echoes them: adaptive (the default), always, never, experimental' -r -f -a "adaptive\t''
always\t''
never\t''
experimental\t''"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand attach" -l on-hangup -d 'What a hang-up of this terminal does to the session; when it is not said, one with a name is detached, and one without ends: detach, end' -r -f -a "detach\t''
end\t''"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand attach" -l clipboard -d 'What programs on the server may do with the clipboard of this terminal (OSC 52): write (the default), off' -r -f -a "write\t''
off\t''"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand attach" -l redundancy -d 'Send data over several paths at once: off, auto (the default), always' -r -f -a "off\t''
auto\t''
always\t''"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand attach" -l prefer -d 'Use this interface before others (repeatable)' -r -f -a "(__fish_print_interfaces)"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand attach" -l backup -d 'Use this interface only when nothing else works (repeatable)' -r -f -a "(__fish_print_interfaces)"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand attach" -l never -d 'Do not use this interface, not even for ssh (repeatable)' -r -f -a "(__fish_print_interfaces)"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand attach" -l metered -d 'What to do with metered networks: backup (the default), allow, never' -r -f -a "backup\t''
allow\t''
never\t''"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand attach" -l carrier -d 'Go through ssh where UDP is blocked: auto (the default), never, always' -r -f -a "auto\t''
never\t''
always\t''"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand attach" -l keepalive -d 'How long a sleeping session may be silent, where the networks between bear it: 3 to 35 (25 by default)' -r
complete -c mpmosh -n "__fish_mpmosh_using_subcommand attach" -l address -d 'Another address of the server (repeatable)' -r
complete -c mpmosh -n "__fish_mpmosh_using_subcommand attach" -l family -d 'Which address families to use: inet, inet6, auto (the default), all, prefer-inet, prefer-inet6' -r -f -a "inet\t''
inet6\t''
auto\t''
all\t''
prefer-inet\t''
prefer-inet6\t''"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand attach" -s p -l port -d 'The server\'s UDP port, or a range of them' -r
complete -c mpmosh -n "__fish_mpmosh_using_subcommand attach" -l bind-server -d 'Which of its addresses the server accepts (any of ours, ssh of a stock one): any, ssh or an IP address of the server' -r
complete -c mpmosh -n "__fish_mpmosh_using_subcommand attach" -l dialect -d 'The wire format: auto (the default), multipath, mosh, mp-mosh' -r -f -a "auto\t''
multipath\t''
mosh\t''
mp-mosh\t''"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand attach" -l session-ttl -d 'How long a detached session waits for a client, 0 for ever; the server\'s own default is 14 days: 0 to 315360000' -r
complete -c mpmosh -n "__fish_mpmosh_using_subcommand attach" -l server -d 'The command that starts the server on the other side' -r -f -a "(__fish_complete_command)"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand attach" -l client -d 'Run this mpmosh-client instead of carrying the session in this process' -r -F
complete -c mpmosh -n "__fish_mpmosh_using_subcommand attach" -l ssh -d 'Use this ssh command instead of the built-in one' -r -f -a "(__fish_complete_command)"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand attach" -l experimental-remote-ip -d 'Where the server\'s address comes from, ssh\'s connection, the name or the host: proxy (the default), local, remote' -r -f -a "proxy\t''
local\t''
remote\t''"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand attach" -l trace -d 'Write one JSON object per network event to this file' -r -F
complete -c mpmosh -n "__fish_mpmosh_using_subcommand attach" -l log -d 'Write the log to this file instead of standard error' -r -F
complete -c mpmosh -n "__fish_mpmosh_using_subcommand attach" -l log-level -d 'What to log: off, error, warn (the default), info, debug, trace' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand attach" -s l -d 'The user on the other side' -r -f -a "(__fish_complete_users)"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand attach" -l ssh-port -d 'The ssh server\'s TCP port' -r
complete -c mpmosh -n "__fish_mpmosh_using_subcommand attach" -s i -d 'A private key to authenticate with (repeatable)' -r -F
complete -c mpmosh -n "__fish_mpmosh_using_subcommand attach" -s F -d 'The ssh configuration file' -r -F
complete -c mpmosh -n "__fish_mpmosh_using_subcommand attach" -s J -d 'Reach the host through this one' -r -f -a "(__fish_print_hostnames)"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand attach" -l ssh-option -d 'An option for ssh, as -o Key=Value (repeatable)' -r
complete -c mpmosh -n "__fish_mpmosh_using_subcommand attach" -l take -d 'Take the session over without a question where a client has it'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand attach" -s a -d 'Same as --predict=always'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand attach" -s n -d 'Same as --predict=never'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand attach" -s o -l predict-overwrite -d 'Predicted keys overwrite instead of inserting'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand attach" -l no-init -d 'Do not switch the terminal to its alternate screen'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand attach" -s 4 -d 'Same as --family=inet'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand attach" -s 6 -d 'Same as --family=inet6'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand attach" -l ssh-pty -d 'Ask ssh for a terminal'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand attach" -l no-ssh-pty -d 'Not --ssh-pty (the default)'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand attach" -l local -d 'Start the server on this machine, without ssh, and connect to it over its own addresses'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand attach" -s v -l verbose -d 'Tell more; repeat for more still'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand attach" -s h -l help -d 'Print help'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand detach" -l predict -d 'When typed keys are shown before the server echoes them: adaptive (the default), always, never, experimental' -r -f -a "adaptive\t''
always\t''
never\t''
experimental\t''"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand detach" -l on-hangup -d 'What a hang-up of this terminal does to the session; when it is not said, one with a name is detached, and one without ends: detach, end' -r -f -a "detach\t''
end\t''"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand detach" -l clipboard -d 'What programs on the server may do with the clipboard of this terminal (OSC 52): write (the default), off' -r -f -a "write\t''
off\t''"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand detach" -l redundancy -d 'Send data over several paths at once: off, auto (the default), always' -r -f -a "off\t''
auto\t''
always\t''"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand detach" -l prefer -d 'Use this interface before others (repeatable)' -r -f -a "(__fish_print_interfaces)"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand detach" -l backup -d 'Use this interface only when nothing else works (repeatable)' -r -f -a "(__fish_print_interfaces)"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand detach" -l never -d 'Do not use this interface, not even for ssh (repeatable)' -r -f -a "(__fish_print_interfaces)"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand detach" -l metered -d 'What to do with metered networks: backup (the default), allow, never' -r -f -a "backup\t''
allow\t''
never\t''"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand detach" -l carrier -d 'Go through ssh where UDP is blocked: auto (the default), never, always' -r -f -a "auto\t''
never\t''
always\t''"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand detach" -l keepalive -d 'How long a sleeping session may be silent, where the networks between bear it: 3 to 35 (25 by default)' -r
complete -c mpmosh -n "__fish_mpmosh_using_subcommand detach" -l address -d 'Another address of the server (repeatable)' -r
complete -c mpmosh -n "__fish_mpmosh_using_subcommand detach" -l family -d 'Which address families to use: inet, inet6, auto (the default), all, prefer-inet, prefer-inet6' -r -f -a "inet\t''
inet6\t''
auto\t''
all\t''
prefer-inet\t''
prefer-inet6\t''"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand detach" -s p -l port -d 'The server\'s UDP port, or a range of them' -r
complete -c mpmosh -n "__fish_mpmosh_using_subcommand detach" -l bind-server -d 'Which of its addresses the server accepts (any of ours, ssh of a stock one): any, ssh or an IP address of the server' -r
complete -c mpmosh -n "__fish_mpmosh_using_subcommand detach" -l dialect -d 'The wire format: auto (the default), multipath, mosh, mp-mosh' -r -f -a "auto\t''
multipath\t''
mosh\t''
mp-mosh\t''"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand detach" -l session-ttl -d 'How long a detached session waits for a client, 0 for ever; the server\'s own default is 14 days: 0 to 315360000' -r
complete -c mpmosh -n "__fish_mpmosh_using_subcommand detach" -l server -d 'The command that starts the server on the other side' -r -f -a "(__fish_complete_command)"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand detach" -l client -d 'Run this mpmosh-client instead of carrying the session in this process' -r -F
complete -c mpmosh -n "__fish_mpmosh_using_subcommand detach" -l ssh -d 'Use this ssh command instead of the built-in one' -r -f -a "(__fish_complete_command)"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand detach" -l experimental-remote-ip -d 'Where the server\'s address comes from, ssh\'s connection, the name or the host: proxy (the default), local, remote' -r -f -a "proxy\t''
local\t''
remote\t''"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand detach" -l trace -d 'Write one JSON object per network event to this file' -r -F
complete -c mpmosh -n "__fish_mpmosh_using_subcommand detach" -l log -d 'Write the log to this file instead of standard error' -r -F
complete -c mpmosh -n "__fish_mpmosh_using_subcommand detach" -l log-level -d 'What to log: off, error, warn (the default), info, debug, trace' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand detach" -s l -d 'The user on the other side' -r -f -a "(__fish_complete_users)"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand detach" -l ssh-port -d 'The ssh server\'s TCP port' -r
complete -c mpmosh -n "__fish_mpmosh_using_subcommand detach" -s i -d 'A private key to authenticate with (repeatable)' -r -F
complete -c mpmosh -n "__fish_mpmosh_using_subcommand detach" -s F -d 'The ssh configuration file' -r -F
complete -c mpmosh -n "__fish_mpmosh_using_subcommand detach" -s J -d 'Reach the host through this one' -r -f -a "(__fish_print_hostnames)"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand detach" -l ssh-option -d 'An option for ssh, as -o Key=Value (repeatable)' -r
complete -c mpmosh -n "__fish_mpmosh_using_subcommand detach" -s a -d 'Same as --predict=always'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand detach" -s n -d 'Same as --predict=never'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand detach" -s o -l predict-overwrite -d 'Predicted keys overwrite instead of inserting'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand detach" -l no-init -d 'Do not switch the terminal to its alternate screen'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand detach" -s 4 -d 'Same as --family=inet'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand detach" -s 6 -d 'Same as --family=inet6'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand detach" -l ssh-pty -d 'Ask ssh for a terminal'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand detach" -l no-ssh-pty -d 'Not --ssh-pty (the default)'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand detach" -l local -d 'Start the server on this machine, without ssh, and connect to it over its own addresses'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand detach" -s v -l verbose -d 'Tell more; repeat for more still'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand detach" -s h -l help -d 'Print help'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand kill" -l predict -d 'When typed keys are shown before the server echoes them: adaptive (the default), always, never, experimental' -r -f -a "adaptive\t''
always\t''
never\t''
experimental\t''"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand kill" -l on-hangup -d 'What a hang-up of this terminal does to the session; when it is not said, one with a name is detached, and one without ends: detach, end' -r -f -a "detach\t''
end\t''"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand kill" -l clipboard -d 'What programs on the server may do with the clipboard of this terminal (OSC 52): write (the default), off' -r -f -a "write\t''
off\t''"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand kill" -l redundancy -d 'Send data over several paths at once: off, auto (the default), always' -r -f -a "off\t''
auto\t''
always\t''"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand kill" -l prefer -d 'Use this interface before others (repeatable)' -r -f -a "(__fish_print_interfaces)"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand kill" -l backup -d 'Use this interface only when nothing else works (repeatable)' -r -f -a "(__fish_print_interfaces)"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand kill" -l never -d 'Do not use this interface, not even for ssh (repeatable)' -r -f -a "(__fish_print_interfaces)"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand kill" -l metered -d 'What to do with metered networks: backup (the default), allow, never' -r -f -a "backup\t''
allow\t''
never\t''"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand kill" -l carrier -d 'Go through ssh where UDP is blocked: auto (the default), never, always' -r -f -a "auto\t''
never\t''
always\t''"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand kill" -l keepalive -d 'How long a sleeping session may be silent, where the networks between bear it: 3 to 35 (25 by default)' -r
complete -c mpmosh -n "__fish_mpmosh_using_subcommand kill" -l address -d 'Another address of the server (repeatable)' -r
complete -c mpmosh -n "__fish_mpmosh_using_subcommand kill" -l family -d 'Which address families to use: inet, inet6, auto (the default), all, prefer-inet, prefer-inet6' -r -f -a "inet\t''
inet6\t''
auto\t''
all\t''
prefer-inet\t''
prefer-inet6\t''"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand kill" -s p -l port -d 'The server\'s UDP port, or a range of them' -r
complete -c mpmosh -n "__fish_mpmosh_using_subcommand kill" -l bind-server -d 'Which of its addresses the server accepts (any of ours, ssh of a stock one): any, ssh or an IP address of the server' -r
complete -c mpmosh -n "__fish_mpmosh_using_subcommand kill" -l dialect -d 'The wire format: auto (the default), multipath, mosh, mp-mosh' -r -f -a "auto\t''
multipath\t''
mosh\t''
mp-mosh\t''"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand kill" -l session-ttl -d 'How long a detached session waits for a client, 0 for ever; the server\'s own default is 14 days: 0 to 315360000' -r
complete -c mpmosh -n "__fish_mpmosh_using_subcommand kill" -l server -d 'The command that starts the server on the other side' -r -f -a "(__fish_complete_command)"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand kill" -l client -d 'Run this mpmosh-client instead of carrying the session in this process' -r -F
complete -c mpmosh -n "__fish_mpmosh_using_subcommand kill" -l ssh -d 'Use this ssh command instead of the built-in one' -r -f -a "(__fish_complete_command)"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand kill" -l experimental-remote-ip -d 'Where the server\'s address comes from, ssh\'s connection, the name or the host: proxy (the default), local, remote' -r -f -a "proxy\t''
local\t''
remote\t''"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand kill" -l trace -d 'Write one JSON object per network event to this file' -r -F
complete -c mpmosh -n "__fish_mpmosh_using_subcommand kill" -l log -d 'Write the log to this file instead of standard error' -r -F
complete -c mpmosh -n "__fish_mpmosh_using_subcommand kill" -l log-level -d 'What to log: off, error, warn (the default), info, debug, trace' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand kill" -s l -d 'The user on the other side' -r -f -a "(__fish_complete_users)"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand kill" -l ssh-port -d 'The ssh server\'s TCP port' -r
complete -c mpmosh -n "__fish_mpmosh_using_subcommand kill" -s i -d 'A private key to authenticate with (repeatable)' -r -F
complete -c mpmosh -n "__fish_mpmosh_using_subcommand kill" -s F -d 'The ssh configuration file' -r -F
complete -c mpmosh -n "__fish_mpmosh_using_subcommand kill" -s J -d 'Reach the host through this one' -r -f -a "(__fish_print_hostnames)"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand kill" -l ssh-option -d 'An option for ssh, as -o Key=Value (repeatable)' -r
complete -c mpmosh -n "__fish_mpmosh_using_subcommand kill" -s a -d 'Same as --predict=always'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand kill" -s n -d 'Same as --predict=never'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand kill" -s o -l predict-overwrite -d 'Predicted keys overwrite instead of inserting'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand kill" -l no-init -d 'Do not switch the terminal to its alternate screen'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand kill" -s 4 -d 'Same as --family=inet'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand kill" -s 6 -d 'Same as --family=inet6'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand kill" -l ssh-pty -d 'Ask ssh for a terminal'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand kill" -l no-ssh-pty -d 'Not --ssh-pty (the default)'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand kill" -l local -d 'Start the server on this machine, without ssh, and connect to it over its own addresses'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand kill" -s v -l verbose -d 'Tell more; repeat for more still'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand kill" -s h -l help -d 'Print help'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand doctor" -l predict -d 'When typed keys are shown before the server echoes them: adaptive (the default), always, never, experimental' -r -f -a "adaptive\t''
always\t''
never\t''
experimental\t''"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand doctor" -l on-hangup -d 'What a hang-up of this terminal does to the session; when it is not said, one with a name is detached, and one without ends: detach, end' -r -f -a "detach\t''
end\t''"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand doctor" -l clipboard -d 'What programs on the server may do with the clipboard of this terminal (OSC 52): write (the default), off' -r -f -a "write\t''
off\t''"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand doctor" -l redundancy -d 'Send data over several paths at once: off, auto (the default), always' -r -f -a "off\t''
auto\t''
always\t''"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand doctor" -l prefer -d 'Use this interface before others (repeatable)' -r -f -a "(__fish_print_interfaces)"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand doctor" -l backup -d 'Use this interface only when nothing else works (repeatable)' -r -f -a "(__fish_print_interfaces)"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand doctor" -l never -d 'Do not use this interface, not even for ssh (repeatable)' -r -f -a "(__fish_print_interfaces)"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand doctor" -l metered -d 'What to do with metered networks: backup (the default), allow, never' -r -f -a "backup\t''
allow\t''
never\t''"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand doctor" -l carrier -d 'Go through ssh where UDP is blocked: auto (the default), never, always' -r -f -a "auto\t''
never\t''
always\t''"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand doctor" -l keepalive -d 'How long a sleeping session may be silent, where the networks between bear it: 3 to 35 (25 by default)' -r
complete -c mpmosh -n "__fish_mpmosh_using_subcommand doctor" -l address -d 'Another address of the server (repeatable)' -r
complete -c mpmosh -n "__fish_mpmosh_using_subcommand doctor" -l family -d 'Which address families to use: inet, inet6, auto (the default), all, prefer-inet, prefer-inet6' -r -f -a "inet\t''
inet6\t''
auto\t''
all\t''
prefer-inet\t''
prefer-inet6\t''"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand doctor" -s p -l port -d 'The server\'s UDP port, or a range of them' -r
complete -c mpmosh -n "__fish_mpmosh_using_subcommand doctor" -l bind-server -d 'Which of its addresses the server accepts (any of ours, ssh of a stock one): any, ssh or an IP address of the server' -r
complete -c mpmosh -n "__fish_mpmosh_using_subcommand doctor" -l dialect -d 'The wire format: auto (the default), multipath, mosh, mp-mosh' -r -f -a "auto\t''
multipath\t''
mosh\t''
mp-mosh\t''"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand doctor" -l session-ttl -d 'How long a detached session waits for a client, 0 for ever; the server\'s own default is 14 days: 0 to 315360000' -r
complete -c mpmosh -n "__fish_mpmosh_using_subcommand doctor" -l server -d 'The command that starts the server on the other side' -r -f -a "(__fish_complete_command)"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand doctor" -l client -d 'Run this mpmosh-client instead of carrying the session in this process' -r -F
complete -c mpmosh -n "__fish_mpmosh_using_subcommand doctor" -l ssh -d 'Use this ssh command instead of the built-in one' -r -f -a "(__fish_complete_command)"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand doctor" -l experimental-remote-ip -d 'Where the server\'s address comes from, ssh\'s connection, the name or the host: proxy (the default), local, remote' -r -f -a "proxy\t''
local\t''
remote\t''"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand doctor" -l trace -d 'Write one JSON object per network event to this file' -r -F
complete -c mpmosh -n "__fish_mpmosh_using_subcommand doctor" -l log -d 'Write the log to this file instead of standard error' -r -F
complete -c mpmosh -n "__fish_mpmosh_using_subcommand doctor" -l log-level -d 'What to log: off, error, warn (the default), info, debug, trace' -r -f -a "off\t''
error\t''
warn\t''
info\t''
debug\t''
trace\t''"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand doctor" -s l -d 'The user on the other side' -r -f -a "(__fish_complete_users)"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand doctor" -l ssh-port -d 'The ssh server\'s TCP port' -r
complete -c mpmosh -n "__fish_mpmosh_using_subcommand doctor" -s i -d 'A private key to authenticate with (repeatable)' -r -F
complete -c mpmosh -n "__fish_mpmosh_using_subcommand doctor" -s F -d 'The ssh configuration file' -r -F
complete -c mpmosh -n "__fish_mpmosh_using_subcommand doctor" -s J -d 'Reach the host through this one' -r -f -a "(__fish_print_hostnames)"
complete -c mpmosh -n "__fish_mpmosh_using_subcommand doctor" -l ssh-option -d 'An option for ssh, as -o Key=Value (repeatable)' -r
complete -c mpmosh -n "__fish_mpmosh_using_subcommand doctor" -s a -d 'Same as --predict=always'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand doctor" -s n -d 'Same as --predict=never'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand doctor" -s o -l predict-overwrite -d 'Predicted keys overwrite instead of inserting'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand doctor" -l no-init -d 'Do not switch the terminal to its alternate screen'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand doctor" -s 4 -d 'Same as --family=inet'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand doctor" -s 6 -d 'Same as --family=inet6'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand doctor" -l ssh-pty -d 'Ask ssh for a terminal'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand doctor" -l no-ssh-pty -d 'Not --ssh-pty (the default)'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand doctor" -l local -d 'Start the server on this machine, without ssh, and connect to it over its own addresses'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand doctor" -s v -l verbose -d 'Tell more; repeat for more still'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand doctor" -s h -l help -d 'Print help'
complete -c mpmosh -n "__fish_mpmosh_using_subcommand config" -s h -l help -d 'Print help'
complete -c mpmosh -f -n "__fish_mpmosh_needs_command" -a "(__fish_print_hostnames)"
complete -c mpmosh -f -n "__fish_mpmosh_using_subcommand sessions attach detach kill doctor" -a "(__fish_print_hostnames)"
