using OrleansPd.Simulator;

namespace OrleansPd.Server.Commands;

/// <summary>The options of one <c>engine</c> command, with the names and defaults of SGLang's server if it has them.</summary>
internal sealed class EngineFlags
{
    private static readonly SimulatedEngineOptions Default = new();

    private readonly Option<string> _role = new("--role", "--disaggregation-mode")
    {
        DefaultValueFactory = _ => "regular",
        Description = "prefill, decode or regular (SGLang's null). Default regular.",
        HelpName = "ROLE",
    };

    private readonly Option<string> _host = Text("--host", "ADDRESS", "Address to listen on. Default 127.0.0.1.", "127.0.0.1");

    private readonly Option<int> _port =
        Numbers.Whole("--port", "PORT", "Port to listen on; 0 = any free port. Default 30000.", 30000, 0, 65535);

    private readonly Option<int> _bootstrapPort = Numbers.Whole("--bootstrap-port", "PORT",
        "KV bootstrap port: a prefill engine listens on it (0 = any free port), a decode engine uses it if a request names none. "
        + "Default 8998.",
        8998, 0, 65535);

    private readonly Option<int> _dpSize = Numbers.Whole("--dp-size", "RANKS", "Data-parallel ranks. Default 1.", 1, 1, 1024);

    private readonly Option<string> _loadBalance = Text("--load-balance-method", "NAME",
        "auto, round_robin, follow_bootstrap_room, total_requests or total_tokens. Default auto.", "auto");

    private readonly Option<string> _modelPath =
        Text("--model-path", "PATH", $"Model path to report. Default {Default.ModelPath}.", Default.ModelPath);

    private readonly Option<string> _servedName = Text("--served-model-name", "NAME",
        $"Model name on the API. Default {Default.ServedModelName}.", Default.ServedModelName);

    private readonly Option<string> _version = Text("--engine-version", "VERSION",
        $"SGLang version to imitate, 0.5.10 or later. Default {Default.Version}.", Default.Version);

    private readonly Option<string?> _apiKey =
        new("--api-key") { Description = "API key that requests must send.", HelpName = "KEY" };

    private readonly Option<string?> _adminKey =
        new("--admin-api-key") { Description = "API key that aborts and other control calls must send.", HelpName = "KEY" };

    private readonly Option<int> _maxRunning = Numbers.Whole("--max-running-requests", "REQUESTS",
        $"Maximum requests running at once. Default {Default.MaxRunningRequests}.", Default.MaxRunningRequests, 1);

    private readonly Option<int> _pageSize = Numbers.Whole("--page-size", "TOKENS",
        $"Tokens per KV page. Default {Default.PageSize}.", Default.PageSize, 1, 4096);

    private readonly Option<int> _contextLength = Numbers.Whole("--context-length", "TOKENS",
        $"Maximum tokens of prompt and answer together. Default {Default.ContextLength}.", Default.ContextLength, 16);

    private readonly Option<int> _capacity = Numbers.Whole("--max-total-tokens", "TOKENS",
        $"KV tokens per rank. Default {Default.TokenCapacity}.", Default.TokenCapacity, 16);

    private readonly Option<string> _kvDtype =
        Text("--kv-cache-dtype", "NAME", "KV cache type; prefill and decode engines must have the same. Default auto.", "auto");

    private readonly Option<string> _transfer = Text("--transfer-backend", "NAME",
        $"Transfer backend whose timeouts and messages to imitate: mooncake, nixl, mori or ascend. "
        + $"Default {Default.TransferBackend}.",
        Default.TransferBackend);

    private readonly Option<double> _speed = Numbers.Real("--speed", "FACTOR",
        "Speed relative to a GPU; 0 = as fast as possible. Default 1.", 1, 0, 1e6);

    private readonly Option<bool> _incremental =
        new("--incremental-streaming-output") { Description = "Stream events hold only new output, not all output so far." };

    public EngineFlags()
    {
        _bootstrapPort.Aliases.Add("--disaggregation-bootstrap-port");
        _dpSize.Aliases.Add("--data-parallel-size");
        _modelPath.Aliases.Add("--model");
        _transfer.Aliases.Add("--disaggregation-transfer-backend");
    }

    public void AddTo(DocumentedCommand command)
    {
        command.Add("Identity", _role, _modelPath, _servedName, _version);
        command.Add("Listening", _host, _port, _bootstrapPort, _apiKey, _adminKey);
        command.Add("Size", _dpSize, _loadBalance, _maxRunning, _pageSize, _contextLength, _capacity, _speed);
        command.Add("Details", _kvDtype, _transfer, _incremental);
    }

    public SimulatedEngineOptions Options(ParseResult parsed) => new()
    {
        AdminApiKey = parsed.GetValue(_adminKey),
        ApiKey = parsed.GetValue(_apiKey),
        BootstrapPort = parsed.GetValue(_bootstrapPort),
        ContextLength = parsed.GetValue(_contextLength),
        DpSize = parsed.GetValue(_dpSize),
        Host = parsed.GetValue(_host)!,
        IncrementalStreamingOutput = parsed.GetValue(_incremental),
        KvCacheDtype = parsed.GetValue(_kvDtype)!,
        LoadBalanceMethod =
            OneOf(parsed, _loadBalance, "auto", "round_robin", "follow_bootstrap_room", "total_requests", "total_tokens"),
        MaxRunningRequests = parsed.GetValue(_maxRunning),
        ModelPath = parsed.GetValue(_modelPath)!,
        PageSize = parsed.GetValue(_pageSize),
        Port = parsed.GetValue(_port),
        Role = OneOf(parsed, _role, "prefill", "decode", "regular", "null") switch
        {
            "prefill" => EngineRole.Prefill,
            "decode" => EngineRole.Decode,
            _ => EngineRole.Regular,
        },
        ServedModelName = parsed.GetValue(_servedName)!,
        Speed = parsed.GetValue(_speed),
        TokenCapacity = parsed.GetValue(_capacity),
        TransferBackend = OneOf(parsed, _transfer, "mooncake", "nixl", "mori", "ascend"),
        Version = parsed.GetValue(_version)!,
    };

    private static string OneOf(ParseResult parsed, Option<string> option, params string[] names)
    {
        var value = parsed.GetValue(option)!;
        return names.Contains(value)
            ? value
            : throw new BadInputException($"{option.Name}: '{value}' is none of {string.Join(", ", names)}.");
    }

    private static Option<string> Text(string name, string value, string help, string initial) => new(name)
    {
        DefaultValueFactory = _ => initial,
        Description = help,
        HelpName = value,
    };
}
