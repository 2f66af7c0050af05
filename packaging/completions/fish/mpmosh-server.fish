# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_mpmosh_server_global_optspecs
    string join \n s v i= p= c= l= @= dialect= streams size= session= take carry session-ttl= address= log= log-level= h/help V/version
end

function __fish_mpmosh_server_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_mpmosh_server_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_mpmosh_server_using_subcommand
    set -l cmd (__fish_mpmosh_server_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c mpmosh-server -n "__fish_mpmosh_server_needs_command" -s i -d 'Accept datagrams only at this local address' -r
complete -c mpmosh-server -n "__fish_mpmosh_server_needs_command" -s p -d 'UDP port, or range of ports, to listen on; 0 leaves the choice to the system' -r
complete -c mpmosh-server -n "__fish_mpmosh_server_needs_command" -s c -d 'How many colours the client\'s terminal has; 256 gives the session TERM=xterm-256color, fewer TERM=xterm' -r
complete -c mpmosh-server -n "__fish_mpmosh_server_needs_command" -s l -d 'A locale variable for the session, used when the server\'s own locale is not UTF-8' -r
complete -c mpmosh-server -n "__fish_mpmosh_server_needs_command" -s @ -d 'Ignored: lets a caller mark the process in `ps`' -r
complete -c mpmosh-server -n "__fish_mpmosh_server_needs_command" -l dialect -d 'Which language to speak; stock mosh\'s wrapper asks for none and gets its own' -r -f -a "multipath\t''
mosh\t''
mp-mosh\t''"
complete -c mpmosh-server -n "__fish_mpmosh_server_needs_command" -l size -d 'The client\'s terminal size; the session starts at once instead of waiting for the client to tell it' -r
complete -c mpmosh-server -n "__fish_mpmosh_server_needs_command" -l session -d 'The session\'s name, at most 32 letters, digits, dots, hyphens and underscores. Where there is a session of this name, its client gets that one instead of a new one' -r
complete -c mpmosh-server -n "__fish_mpmosh_server_needs_command" -l session-ttl -d 'End the session so long after its client was let go, if nobody attaches; 0: never' -r
complete -c mpmosh-server -n "__fish_mpmosh_server_needs_command" -l address -d 'Another address of this host to tell the client about' -r
complete -c mpmosh-server -n "__fish_mpmosh_server_needs_command" -l log -d 'Append a log to this file' -r -F
complete -c mpmosh-server -n "__fish_mpmosh_server_needs_command" -l log-level -d 'How much to log: error, warn, info, debug or trace' -r
complete -c mpmosh-server -n "__fish_mpmosh_server_needs_command" -s s -d 'Accept datagrams only at the address that the ssh connection reached (SSH_CONNECTION)'
complete -c mpmosh-server -n "__fish_mpmosh_server_needs_command" -s v -d 'Keep the standard streams open and log to stderr; repeat for more'
complete -c mpmosh-server -n "__fish_mpmosh_server_needs_command" -l streams -d 'No terminal: standard input, output and error travel as byte streams'
complete -c mpmosh-server -n "__fish_mpmosh_server_needs_command" -l take -d 'With --session: take the session over though its client was heard lately'
complete -c mpmosh-server -n "__fish_mpmosh_server_needs_command" -l carry -d 'After the announcement, carry the client\'s datagrams on standard input and output, for where UDP does not pass'
complete -c mpmosh-server -n "__fish_mpmosh_server_needs_command" -s h -l help -d 'Print help'
complete -c mpmosh-server -n "__fish_mpmosh_server_needs_command" -s V -l version -d 'Print version'
complete -c mpmosh-server -n "__fish_mpmosh_server_needs_command" -a "sessions" -d 'List this user\'s sessions on this host'
complete -c mpmosh-server -n "__fish_mpmosh_server_needs_command" -a "attach" -d 'Print the port and a fresh key of a session for another client'
complete -c mpmosh-server -n "__fish_mpmosh_server_needs_command" -a "detach" -d 'Let a session\'s client go; the program goes on'
complete -c mpmosh-server -n "__fish_mpmosh_server_needs_command" -a "kill" -d 'End a session, with the program in it'
complete -c mpmosh-server -n "__fish_mpmosh_server_needs_command" -a "carry" -d 'Carry the datagrams of a session\'s client on standard input and output, for where UDP does not pass'
complete -c mpmosh-server -n "__fish_mpmosh_server_using_subcommand sessions" -l json -d 'As one JSON object'
complete -c mpmosh-server -n "__fish_mpmosh_server_using_subcommand sessions" -s h -l help -d 'Print help'
complete -c mpmosh-server -n "__fish_mpmosh_server_using_subcommand attach" -l size -d 'The client\'s terminal size' -r
complete -c mpmosh-server -n "__fish_mpmosh_server_using_subcommand attach" -l address -d 'Another address of this host to tell the client about' -r
complete -c mpmosh-server -n "__fish_mpmosh_server_using_subcommand attach" -s c -d 'What `new` takes besides is ignored: the session has its own' -r
complete -c mpmosh-server -n "__fish_mpmosh_server_using_subcommand attach" -s l -d 'Ignored' -r
complete -c mpmosh-server -n "__fish_mpmosh_server_using_subcommand attach" -s p -d 'Ignored' -r
complete -c mpmosh-server -n "__fish_mpmosh_server_using_subcommand attach" -s i -d 'Ignored' -r
complete -c mpmosh-server -n "__fish_mpmosh_server_using_subcommand attach" -l dialect -d 'Ignored' -r
complete -c mpmosh-server -n "__fish_mpmosh_server_using_subcommand attach" -l take -d 'Take the session over though its client was heard lately'
complete -c mpmosh-server -n "__fish_mpmosh_server_using_subcommand attach" -l carry -d 'After the announcement, carry the client\'s datagrams on standard input and output, for where UDP does not pass'
complete -c mpmosh-server -n "__fish_mpmosh_server_using_subcommand attach" -s s -d 'Ignored'
complete -c mpmosh-server -n "__fish_mpmosh_server_using_subcommand attach" -s h -l help -d 'Print help'
complete -c mpmosh-server -n "__fish_mpmosh_server_using_subcommand detach" -s h -l help -d 'Print help'
complete -c mpmosh-server -n "__fish_mpmosh_server_using_subcommand kill" -s h -l help -d 'Print help'
complete -c mpmosh-server -n "__fish_mpmosh_server_using_subcommand carry" -s h -l help -d 'Print help'
