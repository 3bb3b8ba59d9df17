using OrleansPd.Tools.Demo;
using OrleansPd.Tools.Replay;
using OrleansPd.Tools.Traces;

namespace OrleansPd.Server.Commands;

/// <summary>The options of one <c>replay</c> command.</summary>
internal sealed class ReplayFlags
{
    private readonly Argument<string?> _trace = new("TRACE")
    {
        Arity = ArgumentArity.ZeroOrOne,
        Description = "Trace file: Mooncake (JSON lines) or Azure (CSV).",
    };

    private readonly Option<string> _url = new("--url")
    {
        DefaultValueFactory = _ => "http://localhost:30000",
        Description = "Base URL of the gateway or engine. Default http://localhost:30000.",
        HelpName = "URL",
    };

    private readonly Option<string> _endpoint = new("--endpoint")
    {
        DefaultValueFactory = _ => "generate",
        Description = "generate (/generate, prompts as token ids), chat or completions (/v1/..., prompts as text). "
            + "Default generate.",
        HelpName = "NAME",
    };

    private readonly Option<string> _model = new("--model")
    {
        DefaultValueFactory = _ => "default",
        Description = "Model named in chat and completions requests. Default 'default'.",
        HelpName = "NAME",
    };

    private readonly Option<string?> _apiKey = new("--api-key")
    { Description = "API key to send as a bearer token.", HelpName = "KEY" };

    private readonly Option<bool> _noStream = new("--no-stream")
    {
        Description = "Request whole answers; time to first token is then not measured.",
    };

    private readonly Option<bool> _text = new("--text") { Description = "Send text to /generate, not token ids." };

    private readonly Option<double> _speed = Numbers.Real("--speed", "FACTOR",
        "Factor by which the trace is accelerated; 0 = as fast as --concurrency allows. Default 1.", 1, 0);

    private readonly Option<int> _concurrency =
        Numbers.Whole("--concurrency", "REQUESTS", "Maximum requests open at once. Default 256.", 256, 1, 100_000);

    private readonly Option<double> _timeout =
        Numbers.Real("--timeout", "SECONDS", "Time limit of one request. Default 600.", 600, 0.001, 1e6);

    private readonly Option<int> _limit = Numbers.Whole("--limit", "REQUESTS",
        "Stop after this many requests. Default: the whole file, or 200 of a synthetic trace.", 0, 1);

    private readonly Option<double> _scale =
        Numbers.Real("--scale", "FACTOR", "Factor for the lengths of prompts and answers. Default 1.", 1, 0.000001, 1000);

    private readonly Option<int> _maxInput =
        Numbers.Whole("--max-input-tokens", "TOKENS", "Cut longer prompts to this length.", int.MaxValue, 1);

    private readonly Option<int> _maxOutput =
        Numbers.Whole("--max-output-tokens", "TOKENS", "Cut longer answers to this length.", int.MaxValue, 1);

    private readonly Option<int> _seed = Numbers.Whole("--seed", "NUMBER", "Seed of the trace and the prompts. Default 1.", 1, 0);

    private readonly Option<double> _rate =
        Numbers.Real("--rate", "PER_SECOND", "Mean arrival rate (Poisson). Default 8.", 8, 0.001, 1e6);

    private readonly Option<int> _input =
        Numbers.Whole("--input-tokens", "TOKENS", "Median prompt length. Default 256.", 256, 1, 1_000_000);

    private readonly Option<int> _output =
        Numbers.Whole("--output-tokens", "TOKENS", "Median answer length. Default 64.", 64, 1, 1_000_000);

    private readonly Option<double> _shared = Numbers.Real("--shared-prefixes", "SHARE",
        "Share of requests that share a prompt prefix with others, 0-1. Default 0.6.", 0.6, 0, 1);

    private readonly Option<bool> _verify = new("--verify")
    {
        Description = "Compare each answer, token by token, with that of a single engine. Works only with "
            + "engines of 'orleanspd engine'.",
    };

    public Option<string?> Json { get; } =
        new("--json") { Description = "Also write the report to this file, as JSON.", HelpName = "FILE" };

    public void AddTo(DocumentedCommand command)
    {
        command.Add(_trace);
        command.Add("Target", _url, _endpoint, _model, _apiKey, _noStream, _text);
        command.Add("Pace", _speed, _concurrency, _timeout, _limit);
        command.Add("Lengths", _scale, _maxInput, _maxOutput);
        command.Add("Synthetic trace", _seed, _rate, _input, _output, _shared);
        command.Add("Report", _verify, Json);
    }

    public ReplayOptions Options(ParseResult parsed)
    {
        var url = parsed.GetValue(_url)!;
        if (!Uri.TryCreate(url, UriKind.Absolute, out var target) || target.Scheme is not ("http" or "https"))
            throw new BadInputException($"--url: '{url}' is not a URL such as http://localhost:30000.");
        var options = new ReplayOptions
        {
            ApiKey = parsed.GetValue(_apiKey),
            Concurrency = parsed.GetValue(_concurrency),
            Endpoint = parsed.GetValue(_endpoint) switch
            {
                "generate" => ReplayEndpoint.Generate,
                "chat" => ReplayEndpoint.Chat,
                "completions" => ReplayEndpoint.Completions,
                var other => throw new BadInputException($"--endpoint: '{other}' is none of generate, chat, completions."),
            },
            Model = parsed.GetValue(_model)!,
            Seed = parsed.GetValue(_seed),
            Speed = parsed.GetValue(_speed),
            Stream = !parsed.GetValue(_noStream),
            Timeout = TimeSpan.FromSeconds(parsed.GetValue(_timeout)),
            TokenIds = !parsed.GetValue(_text),
            Url = target,
            Verifier = parsed.GetValue(_verify) ? ReferenceAnswer.CompareAsync : null,
        };
        if (options.Verifier is not null && (options.Endpoint != ReplayEndpoint.Generate || !options.TokenIds))
        {
            throw new BadInputException(
                "--verify: only answers of /generate to token ids can be compared; leave --endpoint and --text out.");
        }
        return options;
    }

    public Trace Trace(ParseResult parsed)
    {
        var limit = parsed.GetValue(_limit);
        Trace trace;
        if (parsed.GetValue(_trace) is { } path)
        {
            if (!File.Exists(path))
                throw new BadInputException($"there is no trace file {path}.");
            trace = TraceFile.Open(path);
            if (limit > 0)
                trace = trace.Take(limit);
        }
        else
        {
            trace = SyntheticTrace.Create(new()
            {
                InputTokens = parsed.GetValue(_input),
                OutputTokens = parsed.GetValue(_output),
                Rate = parsed.GetValue(_rate),
                Requests = limit > 0 ? limit : 200,
                Seed = parsed.GetValue(_seed),
                SharedPrefixes = parsed.GetValue(_shared),
            });
        }
        var scale = parsed.GetValue(_scale);
        return trace.Scale(new(scale, scale, parsed.GetValue(_maxInput), parsed.GetValue(_maxOutput)));
    }
}
