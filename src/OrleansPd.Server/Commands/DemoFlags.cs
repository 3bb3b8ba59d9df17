using System.CommandLine;
using OrleansPd.Server.CommandLine;
using OrleansPd.Tools.Demo;
using OrleansPd.Tools.Output;
using OrleansPd.Tools.Traces;

namespace OrleansPd.Server.Commands;

/// <summary>The options of one <c>demo</c> command.</summary>
internal sealed class DemoFlags
{
    private const int Requests = 120, Rate = 30, SyntheticOutput = 32;
    private const double FileScale = 0.1;

    private readonly Option<int> _port = Numbers.Whole("--port", "PORT",
        "Port of the gateway on 127.0.0.1; 0 = any free one. Default 30000.", 30000, 0, 65535);

    private readonly Option<bool> _once = new("--once")
    {
        Description = "End after the report: exit code 0 if all was well, 1 if anything was off.",
    };

    private readonly Option<bool> _processes = new("--processes")
    {
        Description = "Run each engine and the gateway in a process of its own; the report then has the gateway's own memory.",
    };

    private readonly Option<int> _prefills =
        Numbers.Whole("--prefill-engines", "ENGINES", "Prefill engines. Default 2.", 2, 1, 32);

    private readonly Option<int> _decodes = Numbers.Whole("--decode-engines", "ENGINES", "Decode engines. Default 2.", 2, 1, 32);

    private readonly Option<int> _dp = Numbers.Whole("--dp", "RANKS", "Data-parallel ranks of each engine. Default 2.", 2, 1, 64);

    private readonly Option<int> _prefillDp =
        Numbers.Whole("--prefill-dp", "RANKS", "Those of prefill engines. Default --dp.", 0, 1, 64);

    private readonly Option<int> _decodeDp =
        Numbers.Whole("--decode-dp", "RANKS", "Those of decode engines. Default --dp.", 0, 1, 64);

    private readonly Option<double> _speed = Numbers.Real("--speed", "FACTOR",
        "How many times as fast as GPUs the engines are; 0 = as fast as they can. Default 1.", 1, 0, 1e6);

    private readonly Option<string?> _trace = new("--trace")
    {
        Description = "Trace file: Mooncake (JSON lines) or Azure (CSV). Default a made-up trace.",
        HelpName = "FILE",
    };

    private readonly Option<int> _requests = Numbers.Whole("--requests", "REQUESTS",
        $"Requests of it to send. Default {Requests}.", Requests, 1, 10_000_000);

    private readonly Option<double> _rate = Numbers.Real("--rate", "PER_SECOND",
        $"Mean arrivals; 0 = as fast as --concurrency allows. Default {Rate}.", Rate, 0, 1e6);

    private readonly Option<int> _concurrency = Numbers.Whole("--concurrency", "REQUESTS",
        "Most requests open at once. Default 128.", 128, 1, 10_000);

    private readonly Option<double> _scale = Numbers.Real("--scale", "FACTOR",
        "Prompts and answers of the trace this many times as long. Default 0.1 with --trace, else 1.", 0, 0.000001, 1000);

    private readonly Option<int> _maxInput =
        Numbers.Whole("--max-input-tokens", "TOKENS", "Cut longer prompts.", int.MaxValue, 1);

    private readonly Option<int> _maxOutput =
        Numbers.Whole("--max-output-tokens", "TOKENS", "Cut longer answers.", int.MaxValue, 1);

    private readonly Option<int> _seed = Numbers.Whole("--seed", "NUMBER", "Same seed, same trace and prompts. Default 1.", 1, 0);

    private readonly Option<string?> _json =
        new("--json") { Description = "Also write the figures to this file.", HelpName = "FILE" };

    public void AddTo(DocumentedCommand command)
    {
        command.Add("What runs", _port, _once, _processes, _prefills, _decodes, _dp, _prefillDp, _decodeDp, _speed);
        command.Add("What is sent", _trace, _requests, _rate, _concurrency, _scale, _maxInput, _maxOutput, _seed);
        command.Add("Report", _json);
    }

    /// <exception cref="BadInputException">There is no such file.</exception>
    /// <exception cref="TraceFormatException">It is no trace.</exception>
    public DemoOptions Options(ParseResult parsed)
    {
        var trace = Trace(parsed);
        var dp = parsed.GetValue(_dp);
        return new()
        {
            Fleet = new(
                parsed.GetValue(_prefills), parsed.GetValue(_decodes),
                parsed.GetValue(_prefillDp) is > 0 and var prefillDp ? prefillDp : dp,
                parsed.GetValue(_decodeDp) is > 0 and var decodeDp ? decodeDp : dp,
                parsed.GetValue(_speed)),
            Json = parsed.GetValue(_json),
            Once = parsed.GetValue(_once),
            Port = parsed.GetValue(_port),
            Processes = parsed.GetValue(_processes),
            Replay = new()
            {
                Concurrency = parsed.GetValue(_concurrency),
                Seed = parsed.GetValue(_seed),
                Speed = SpeedFor(trace, parsed.GetValue(_rate)),
                Url = new("http://127.0.0.1"),
            },
            Trace = trace,
        };
    }

    /// <summary>How much faster than the trace says, so that this many come in a second.</summary>
    private static double SpeedFor(Trace trace, double rate)
    {
        var span = trace.Requests.Last().Arrival.TotalSeconds;
        return rate > 0 && span > 0 ? rate * span / trace.Count!.Value : 0;
    }

    private Trace Trace(ParseResult parsed)
    {
        var requests = parsed.GetValue(_requests);
        var scale = parsed.GetValue(_scale);
        Trace trace;
        if (parsed.GetValue(_trace) is { } path)
        {
            if (!File.Exists(path))
            {
                throw new BadInputException($"--trace: there is no file {path}.");
            }

            trace = TraceFile.Open(path).Take(requests);
            if (scale == 0)
            {
                scale = FileScale;
            }
        }
        else
        {
            trace = SyntheticTrace.Create(
                new() { OutputTokens = SyntheticOutput, Rate = Rate, Requests = requests, Seed = parsed.GetValue(_seed) });
            if (scale == 0)
            {
                scale = 1;
            }
        }

        var sent = trace.Scale(new(scale, scale, parsed.GetValue(_maxInput), parsed.GetValue(_maxOutput)));
        var list = sent.Requests.ToArray();
        if (list.Length == 0)
        {
            throw new BadInputException($"--trace: {trace.Name} holds no request.");
        }

        return sent with { Count = list.Length, Requests = list };
    }
}
