using OrleansPd.Server.Dev;

namespace OrleansPd.Server.Commands;

/// <summary>The options of <c>orleanspd dev</c>.</summary>
internal sealed class DevFlags
{
    private readonly Option<int> _silos = Numbers.Whole("--silos", "SILOS", "Silos, each with a gateway. Default 3.", 3, 1, 16);

    private readonly Option<int> _prefills = Numbers.Whole(
        "--prefills", "ENGINES", "Simulated prefill engines. Default 2.", 2, 1, 64);

    private readonly Option<int> _decodes = Numbers.Whole(
        "--decodes", "ENGINES", "Simulated decode engines. Default 2.", 2, 1, 64);

    private readonly Option<double> _speed = Numbers.Real("--speed", "FACTOR",
        "Speed of the engines relative to GPUs; 0 = as fast as possible. Default 1.", 1, 0, 1e6);

    private readonly Option<int> _port = Numbers.Whole("--port", "PORT",
        "Port of the first gateway; the others get the next ports; 0 = any free ports. Default 30000.", 30000, 0, 65000);

    private readonly Option<string> _redis = new("--redis")
    {
        DefaultValueFactory = _ => "127.0.0.1:6379",
        Description = "Redis to use, or 'none'. Default: 127.0.0.1:6379 if it answers, else none.",
        HelpName = "HOST:PORT",
    };

    private readonly Option<string> _level = new("--log-level")
    {
        DefaultValueFactory = _ => "warn",
        Description = "Log level: debug, info, warn or error. Default warn.",
        HelpName = "LEVEL",
    };

    public void AddTo(DocumentedCommand command)
    {
        command.Add("Size", _silos, _prefills, _decodes, _speed);
        command.Add("Details", _port, _redis, _level);
    }

    public DevOptions Options(ParseResult parsed) => new(
        parsed.GetValue(_silos), parsed.GetValue(_prefills), parsed.GetValue(_decodes), parsed.GetValue(_speed),
        parsed.GetValue(_port), parsed.GetValue(_redis)!, parsed.GetResult(_redis) is { Implicit: false },
        parsed.GetValue(_level)!);
}
