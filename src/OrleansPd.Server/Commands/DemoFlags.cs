using OrleansPd.Tools.Demo;
using OrleansPd.Tools.Traces;

namespace OrleansPd.Server.Commands;

/// <summary>The options of one <c>demo</c> command.</summary>
internal sealed class DemoFlags
{
    private const int Requests = 120, Rate = 30, SyntheticOutput = 32;
    private const double FileScale = 0.1;

    private readonly Option<int> _port = Numbers.Whole("--port", "PORT",
        "Port of the gateway on 127.0.0.1; 0 = any free port. Default 30000.", 30000, 0, 65535);

    private readonly Option<bool> _once = new("--once")
    {
        Description = "End after the report, with exit code 0 if everything succeeded, else 1.",
    };

    private readonly Option<bool> _processes = new("--processes")
    {
        Description = "Run each engine and the gateway in separate processes; the report then shows the gateway's memory.",
    };

    private readonly Option<int> _prefills =
        Numbers.Whole("--prefill-engines", "ENGINES", "Prefill engines. Default 2.", 2, 1, 32);

    private readonly Option<int> _decodes = Numbers.Whole("--decode-engines", "ENGINES", "Decode engines. Default 2.", 2, 1, 32);

    private readonly Option<int> _dp = Numbers.Whole("--dp", "RANKS", "Data-parallel ranks of each engine. Default 2.", 2, 1, 64);

    private readonly Option<int> _prefillDp =
        Numbers.Whole("--prefill-dp", "RANKS", "Data-parallel ranks of each prefill engine. Default --dp.", 0, 1, 64);

    private readonly Option<int> _decodeDp =
        Numbers.Whole("--decode-dp", "RANKS", "Data-parallel ranks of each decode engine. Default --dp.", 0, 1, 64);

    private readonly Option<double> _speed = Numbers.Real("--speed", "FACTOR",
        "Speed of the engines relative to GPUs; 0 = as fast as possible. Default 1.", 1, 0, 1e6);

    private readonly Option<string?> _trace = new("--trace")
    {
        Description = "Trace file: Mooncake (JSON lines) or Azure (CSV). Default: a synthetic trace.",
        HelpName = "FILE",
    };

    private readonly Option<int> _requests = Numbers.Whole("--requests", "REQUESTS",
        $"Requests of the trace to send. Default {Requests}.", Requests, 1, 10_000_000);

    private readonly Option<double> _rate = Numbers.Real("--rate", "PER_SECOND",
        $"Mean arrival rate; 0 = as fast as --concurrency allows. Default {Rate}.", Rate, 0, 1e6);

    private readonly Option<int> _concurrency = Numbers.Whole("--concurrency", "REQUESTS",
        "Maximum requests open at once. Default 128.", 128, 1, 10_000);

    private readonly Option<double> _scale = Numbers.Real("--scale", "FACTOR",
        "Factor for the lengths of prompts and answers. Default 0.1 with --trace, else 1.", 0, 0.000001, 1000);

    private readonly Option<int> _maxInput =
        Numbers.Whole("--max-input-tokens", "TOKENS", "Cut longer prompts to this length.", int.MaxValue, 1);

    private readonly Option<int> _maxOutput =
        Numbers.Whole("--max-output-tokens", "TOKENS", "Cut longer answers to this length.", int.MaxValue, 1);

    private readonly Option<int> _seed = Numbers.Whole("--seed", "NUMBER", "Seed of the trace and the prompts. Default 1.", 1, 0);

    private readonly Option<string?> _json =
        new("--json") { Description = "Also write the report to this file, as JSON.", HelpName = "FILE" };

    public void AddTo(DocumentedCommand command)
    {
        command.Add("Engines and gateway", _port, _once, _processes, _prefills, _decodes, _dp, _prefillDp, _decodeDp, _speed);
        command.Add("Requests", _trace, _requests, _rate, _concurrency, _scale, _maxInput, _maxOutput, _seed);
        command.Add("Report", _json);
    }

    /// <exception cref="BadInputException">The file does not exist or holds no request.</exception>
    /// <exception cref="TraceFormatException">The file is not a trace.</exception>
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

    /// <summary>The replay speed at which the trace has this mean rate, per second.</summary>
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
                throw new BadInputException($"--trace: there is no file {path}.");
            trace = TraceFile.Open(path).Take(requests);
            if (scale == 0)
                scale = FileScale;
        }
        else
        {
            trace = SyntheticTrace.Create(
                new() { OutputTokens = SyntheticOutput, Rate = Rate, Requests = requests, Seed = parsed.GetValue(_seed) });
            if (scale == 0)
                scale = 1;
        }
        var sent = trace.Scale(new(scale, scale, parsed.GetValue(_maxInput), parsed.GetValue(_maxOutput)));
        var list = sent.Requests.ToArray();
        if (list.Length == 0)
            throw new BadInputException($"--trace: {trace.Name} holds no request.");
        return sent with { Count = list.Length, Requests = list };
    }
}
