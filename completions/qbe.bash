# Written by generate.py from the command-line parser, do not edit.

_qbe_files() {
    local IFS=$'\n' pattern=$1 name
    compopt -o filenames 2> /dev/null
    COMPREPLY+=($(compgen -d -- "$2"))
    for name in $(compgen -f -- "$2"); do
        if [[ ! -d $name && ${name,,} =~ $pattern ]]; then COMPREPLY+=("$name"); fi
    done
}

_qbe_value() {
    case $1 in
        audio) _qbe_files '\.(3ga|3gp|8svx|aac|ac3|adts|aif|aifc|aiff|amr|ape|asf|au|avi|avr|caf|dff|dsf|dts|eac3|flac|flv|htk|iff|m2ts|m4a|m4b|m4r|m4v|mat|mka|mkv|mov|mp1|mp2|mp3|mp4|mpc|mpeg|mpg|mts|nist|oga|ogg|ogv|oma|opus|paf|pvf|rf64|rm|sd2|sds|sf|shn|snd|sph|spx|svx|tak|tta|voc|w64|wav|wave|wavex|webm|wma|wmv|wv|wve|xi)$' "$2" ;;
        idx) _qbe_files '\.idx$' "$2" ;;
        onnx) _qbe_files '\.onnx$' "$2" ;;
        tsv) _qbe_files '\.tsv$' "$2" ;;
        any) _qbe_files '' "$2" ;;
        folder) local IFS=$'\n'; compopt -o filenames 2> /dev/null; COMPREPLY+=($(compgen -d -- "$2")) ;;
    esac
}

_qbe() {
    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]}
    local options='' valued=' ' arguments='' kind='' place=-1 k
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        COMPREPLY=($(compgen -W "bench browse clip deform dups embed eval index info list map search segment tag train --help --version" -- "$current"))
        return
    fi
    case $command in
        bench)
            options='--trees -k --queries --seed --plot --json -0 --null -q --quiet -v --verbose --help'
            valued=' --trees -k --queries --seed --plot '
            arguments='idx'
            case $before in
                --trees) kind='none' ;;
                -k) kind='none' ;;
                --queries) kind='none' ;;
                --seed) kind='none' ;;
                --plot) kind='any' ;;
                *) ;;
            esac ;;
        browse)
            options='--segments --map --port --host --no-open --model -q --quiet --help'
            valued=' --map --port --host --model '
            arguments='idx'
            case $before in
                --map) kind='any' ;;
                --port) kind='none' ;;
                --host) kind='none' ;;
                --model) kind='onnx' ;;
                *) ;;
            esac ;;
        clip)
            options='-o --output --pad -0 --null -q --quiet -v --verbose --help'
            valued=' -o --output --pad '
            arguments='none'
            case $before in
                -o|--output) kind='folder' ;;
                --pad) kind='none' ;;
                *) ;;
            esac ;;
        deform)
            options='--pitch --stretch --noise --mix --gain --eq --near --random --seed -o --output --start --duration --bits --limit --files-from -0 --null --no-ffmpeg -q --quiet --help'
            valued=' --pitch --stretch --noise --mix --gain --eq --near --seed -o --output --start --duration --bits --files-from '
            arguments='audio'
            case $before in
                --pitch) kind='none' ;;
                --stretch) kind='none' ;;
                --noise) kind='none' ;;
                --mix) kind='audio' ;;
                --gain) kind='none' ;;
                --eq) kind='none' ;;
                --near) kind='none' ;;
                --seed) kind='none' ;;
                -o|--output) kind='any' ;;
                --start) kind='none' ;;
                --duration) kind='none' ;;
                --bits) kind='choice:16 24 32' ;;
                --files-from) kind='any' ;;
                *) ;;
            esac ;;
        dups)
            options='--alike --min-score --as --json -0 --null -q --quiet -v --verbose --help'
            valued=' --min-score --as '
            arguments='idx'
            case $before in
                --min-score) kind='none' ;;
                --as) kind='choice:csv m3u' ;;
                *) ;;
            esac ;;
        embed)
            options='--files-from -0 --null --hidden --exclude -L --follow --no-ffmpeg --expand --model --hop --silence --keep-silence -o --output --new --shard --retry --jobs --npy -q --quiet -v --verbose --help'
            valued=' --files-from --exclude --expand --model --hop --silence -o --output --new --shard --jobs '
            arguments='audio'
            case $before in
                --files-from) kind='any' ;;
                --exclude) kind='none' ;;
                --expand) kind='none' ;;
                --model) kind='onnx' ;;
                --hop) kind='none' ;;
                --silence) kind='none' ;;
                -o|--output) kind='any' ;;
                --new) kind='none' ;;
                --shard) kind='none' ;;
                --jobs) kind='none' ;;
                *) ;;
            esac ;;
        eval)
            options='--labels --model --baseline --root --altered --json -0 --null -q --quiet -v --verbose --help'
            valued=' --labels --model --baseline --root '
            arguments='none'
            case $before in
                --labels) kind='tsv' ;;
                --model) kind='onnx' ;;
                --baseline) kind='choice:logmel mfcc' ;;
                --root) kind='folder' ;;
                *) ;;
            esac ;;
        index)
            options='-o --output --append --remove --prune --dry-run --force --whole-files --absolute --relative-to --trees --check --paths --model -q --quiet -v --verbose --help'
            valued=' -o --output --relative-to --trees --check --paths --model '
            arguments='any'
            case $before in
                -o|--output) kind='idx' ;;
                --relative-to) kind='folder' ;;
                --trees) kind='none' ;;
                --check) kind='idx' ;;
                --paths) kind='any' ;;
                --model) kind='onnx' ;;
                *) ;;
            esac ;;
        info)
            options='--check-files --json -0 --null --help'
            valued='  '
            arguments='idx'
            case $before in
                *) ;;
            esac ;;
        list)
            options='--missing --json -0 --null --help'
            valued='  '
            arguments='idx none'
            case $before in
                *) ;;
            esac ;;
        map)
            options='-o --output --segments --dimensions --colour --seed --keep --json -0 --null -q --quiet -v --verbose --help'
            valued=' -o --output --dimensions --colour --seed --keep '
            arguments='idx'
            case $before in
                -o|--output) kind='any' ;;
                --dimensions) kind='none' ;;
                --colour) kind='choice:folder level length tag' ;;
                --seed) kind='none' ;;
                --keep) kind='any' ;;
                *) ;;
            esac ;;
        search)
            options='-k --like --unlike --weight --in --min-score --unique --text --tags --places --max-per-file --start --duration --candidates --recall --exact --include-self --play --no-ffmpeg --expand --model --as --json -0 --null -q --quiet -v --verbose --help'
            valued=' -k --like --unlike --weight --in --min-score --text --tags --max-per-file --start --duration --candidates --recall --expand --model --as '
            arguments='idx audio'
            case $before in
                -k) kind='none' ;;
                --like) kind='audio' ;;
                --unlike) kind='audio' ;;
                --weight) kind='none' ;;
                --in) kind='none' ;;
                --min-score) kind='none' ;;
                --text) kind='none' ;;
                --tags) kind='any' ;;
                --max-per-file) kind='none' ;;
                --start) kind='none' ;;
                --duration) kind='none' ;;
                --candidates) kind='none' ;;
                --recall) kind='none' ;;
                --expand) kind='none' ;;
                --model) kind='onnx' ;;
                --as) kind='choice:csv m3u audacity raven' ;;
                *) ;;
            esac ;;
        segment)
            options='--files-from -0 --null --hidden --exclude -L --follow --no-ffmpeg --hop --silence --keep-silence -q --quiet -v --verbose --help'
            valued=' --files-from --exclude --hop --silence '
            arguments='audio'
            case $before in
                --files-from) kind='any' ;;
                --exclude) kind='none' ;;
                --hop) kind='none' ;;
                --silence) kind='none' ;;
                *) ;;
            esac ;;
        tag)
            options='--labels --from-names --aliases --min-score --write --new --json -0 --null -q --quiet -v --verbose --help'
            valued=' --labels --from-names --aliases --min-score '
            arguments='idx'
            case $before in
                --labels) kind='any' ;;
                --from-names) kind='none' ;;
                --aliases) kind='any' ;;
                --min-score) kind='none' ;;
                *) ;;
            esac ;;
        train)
            options='-o --output --files-from -0 --null --steps --minutes --resume --recipe --near --balance --kinds --rooms --negatives --loss --mining --margin --temperature --batch --learning-rate --widths --learn-filterbank --seed --device --cache --audition --log --plot --int8 --name --licence -q --quiet --help'
            valued=' -o --output --files-from --steps --minutes --recipe --near --balance --kinds --rooms --negatives --loss --mining --margin --temperature --batch --learning-rate --widths --seed --device --cache --audition --log --plot --name --licence '
            arguments='audio'
            case $before in
                -o|--output) kind='onnx' ;;
                --files-from) kind='any' ;;
                --steps) kind='none' ;;
                --minutes) kind='none' ;;
                --recipe) kind='any' ;;
                --near) kind='none' ;;
                --balance) kind='choice:duration sqrt folder' ;;
                --kinds) kind='none' ;;
                --rooms) kind='folder' ;;
                --negatives) kind='choice:files folders' ;;
                --loss) kind='choice:cosine l2 nt-xent' ;;
                --mining) kind='choice:none semi-hard hardest' ;;
                --margin) kind='none' ;;
                --temperature) kind='none' ;;
                --batch) kind='none' ;;
                --learning-rate) kind='none' ;;
                --widths) kind='none' ;;
                --seed) kind='none' ;;
                --device) kind='choice:auto cpu cuda' ;;
                --cache) kind='folder' ;;
                --audition) kind='folder' ;;
                --log) kind='any' ;;
                --plot) kind='any' ;;
                --name) kind='none' ;;
                --licence) kind='none' ;;
                *) ;;
            esac ;;
    esac
    for ((k = 2; k <= COMP_CWORD; k++)); do
        [[ ${COMP_WORDS[k]} == -?* || $valued == *" ${COMP_WORDS[k-1]} "* ]] || ((place++))
    done
    set -- $arguments
    ((place > 0 && $# > 1)) && shift
    if [[ $kind == choice:* ]]; then
        COMPREPLY=($(compgen -W "${kind#choice:}" -- "$current"))
    elif [[ -n $kind ]]; then
        _qbe_value "$kind" "$current"
    elif [[ $current == -* ]]; then
        COMPREPLY=($(compgen -W "$options" -- "$current"))
    else
        _qbe_value "$1" "$current"
    fi
}

complete -F _qbe qbe
