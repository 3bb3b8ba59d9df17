using System.CommandLine;
using OrleansPd.Server.CommandLine;
using OrleansPd.Simulator;
using OrleansPd.Tools.Output;

namespace OrleansPd.Server.Commands;

/// <summary>The options of one <c>engine</c> command: names and defaults of SGLang's server where it has them.</summary>
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
        Numbers.Whole("--port", "PORT", "Port to listen on; 0 = any free one. Default 30000.", 30000, 0, 65535);

    private readonly Option<int> _bootstrapPort = Numbers.Whole("--bootstrap-port", "PORT",
        "KV bootstrap port: a prefill listens there (0 = any free one), a decode asks there where a request names none. "
        + "Default 8998.",
        8998, 0, 65535);

    private readonly Option<int> _dpSize = Numbers.Whole("--dp-size", "RANKS", "Data-parallel ranks. Default 1.", 1, 1, 1024);

    private readonly Option<string> _loadBalance = Text("--load-balance-method", "NAME",
        "auto, round_robin, follow_bootstrap_room, total_requests or total_tokens. Default auto.", "auto");

    private readonly Option<string> _modelPath =
        Text("--model-path", "PATH", $"Model it claims to be. Default {Default.ModelPath}.", Default.ModelPath);

    private readonly Option<string> _servedName = Text("--served-model-name", "NAME",
        $"Its name on the API. Default {Default.ServedModelName}.", Default.ServedModelName);

    private readonly Option<string> _version = Text("--engine-version", "VERSION",
        $"SGLang release to speak as, from 0.5.10. Default {Default.Version}.", Default.Version);

    private readonly Option<string?> _apiKey =
        new("--api-key") { Description = "Key that requests must bear.", HelpName = "KEY" };

    private readonly Option<string?> _adminKey =
        new("--admin-api-key") { Description = "Key that aborts and the like must bear.", HelpName = "KEY" };

    private readonly Option<int> _maxRunning = Numbers.Whole("--max-running-requests", "REQUESTS",
        $"Requests in work at once. Default {Default.MaxRunningRequests}.", Default.MaxRunningRequests, 1);

    private readonly Option<int> _pageSize = Numbers.Whole("--page-size", "TOKENS",
        $"Tokens of a KV page. Default {Default.PageSize}.", Default.PageSize, 1, 4096);

    private readonly Option<int> _contextLength = Numbers.Whole("--context-length", "TOKENS",
        $"Prompt and answer together. Default {Default.ContextLength}.", Default.ContextLength, 16);

    private readonly Option<int> _capacity = Numbers.Whole("--max-total-tokens", "TOKENS",
        $"KV tokens of a rank. Default {Default.TokenCapacity}.", Default.TokenCapacity, 16);

    private readonly Option<string> _kvDtype =
        Text("--kv-cache-dtype", "NAME", "As SGLang's; peers must agree. Default auto.", "auto");

    private readonly Option<string> _transfer = Text("--transfer-backend", "NAME",
        $"mooncake, nixl, mori or ascend: whose clocks and notices to follow. Default {Default.TransferBackend}.",
        Default.TransferBackend);

    private readonly Option<double> _speed = Numbers.Real("--speed", "FACTOR",
        "How many times as fast as the GPUs it stands for; 0 = as fast as it can. Default 1.", 1, 0, 1e6);

    private readonly Option<bool> _incremental =
        new("--incremental-streaming-output") { Description = "Streams hold only what is new." };

    public EngineFlags()
    {
        _bootstrapPort.Aliases.Add("--disaggregation-bootstrap-port");
        _dpSize.Aliases.Add("--data-parallel-size");
        _modelPath.Aliases.Add("--model");
        _transfer.Aliases.Add("--disaggregation-transfer-backend");
    }

    public void AddTo(DocumentedCommand command)
    {
        command.Add("What it is", _role, _modelPath, _servedName, _version);
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
