#!/bin/sh
# A stand-in for the `vae` binary in the tests of `cargo xtask experiments`.
#
# It is controlled by files in the folder $FAKE:
#   version, data   what `vae config` says of them
#   fail-NAME       training of the variant NAME fails
#   hold-NAME       training of the variant NAME waits until the file is gone;
#                   with the text "checkpoint" in it, after writing a checkpoint
# and it writes there:
#   calls           one line per training: `train` or `resume`, variant, latent, seed, threads
#   pid-NAME        the process that waits
set -eu

# Prints every setting of a TOML file as `section.key = value`.
flat() {
    awk '/^\[/ { gsub(/[][]/, ""); section = $0 "."; next } / = / { print section $0 }' "$1"
}

# Prints one setting of a TOML file, or the second argument.
setting() {
    flat "$config" | awk -v key="$1" -v default="$2" '
        $1 == key { sub(/^[^=]*= /, ""); gsub(/"/, ""); default = $0 } END { print default }'
}

json() {
    awk '
        /^\[/ { gsub(/[][]/, ""); if (open) printf "}"; printf "%s\"%s\":{", open || n ? "," : "", $0
                open = 1; n = 0; next }
        / = / { printf "%s\"%s\":", n++ ? "," : "", $1; sub(/^[^=]*= /, ""); printf "%s", $0 }
        END { if (open) printf "}" }' "$1"
}

command=$1
shift
config='' out='' threads='' resume=''
while [ $# -gt 0 ]; do
    case $1 in
    --config) config=$2; shift ;;
    --out) out=$2; shift ;;
    --threads) threads=$2; shift ;;
    --resume) resume=yes; out=$2; config=$out/config.toml; shift ;;
    --format) shift ;;
    esac
    shift
done

if [ "$command" = variants ]; then
    echo '[{"name": "ae", "summary": "plain"}, {"name": "vae", "summary": "with a prior"}]'
    exit
fi

name=$(setting variant.name vae)
latent=$(setting model.latent 10)
seed=$(setting seed 0)

if [ "$command" = config ]; then
    if [ "$name" = nonsense ]; then
        echo "error: variant.name: there is no variant \`nonsense\`; choose ae or vae" >&2
        exit 2
    fi
    echo "{\"settings\": {$(json "$config")}," \
        "\"version\": \"$(cat "$FAKE/version")\", \"data\": \"$(cat "$FAKE/data")\"}"
    exit
fi

if [ -n "$resume" ]; then
    echo "resume $name $latent $seed $threads" >>"$FAKE/calls"
    test -e "$out/checkpoints/step1"
else
    echo "train $name $latent $seed $threads" >>"$FAKE/calls"
    if [ -e "$out" ]; then
        echo "error: $out is a run folder already" >&2
        exit 1
    fi
    mkdir -p "$out"
    cp "$config" "$out/config.toml"
fi
echo "training $name"

if [ -e "$FAKE/fail-$name" ]; then
    echo "error: the loss of $name is not finite" >&2
    exit 3
fi

if [ -e "$FAKE/hold-$name" ]; then
    trap 'echo "stopped by a signal"; exit 130' TERM INT
    if grep -q checkpoint "$FAKE/hold-$name"; then
        mkdir -p "$out/checkpoints"
        touch "$out/checkpoints/step1"
    fi
    echo $$ >"$FAKE/pid.new"
    mv "$FAKE/pid.new" "$FAKE/pid-$name"
    turns=0
    while [ -e "$FAKE/hold-$name" ] && [ $turns -lt 2000 ]; do
        sleep 0.01
        turns=$((turns + 1))
    done
fi

kl=",\"kl\":$((2 * seed))"
[ "$name" != ae ] || kl=',"penalty":0.5'
cat >"$out/summary.json" <<END
{"version": "1", "seed": $seed, "variant": "$name", "dataset": "d", "data": "f", "backend": "flex",
 "ops": "fast", "threads": 1, "binarize": "none", "likelihood": "bernoulli", "ending": "finished",
 "epochs": 1, "steps": 5, "parameters": 9, "examples": {"train": 3, "validation": 2, "test": 1},
 "seconds": 2, "process_seconds": 3, "train_samples_per_second": 1000,
 "test": {"loss": $((latent + 2 * seed)), "reconstruction": $latent$kl}}
END
