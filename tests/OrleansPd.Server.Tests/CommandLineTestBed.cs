using OrleansPd.Server.Commands;
using OrleansPd.Server.Settings;

namespace OrleansPd.Server.Tests;

/// <summary>Runs commands as the process would, with everything around them in hand.</summary>
internal sealed class CommandLineTestBed
{
    private readonly StringWriter _out = new(), _error = new();

    public CommandLineTestBed(params (string Name, string Value)[] environment) => Context = new()
    {
        Environment = environment.ToDictionary(pair => pair.Name, pair => pair.Value, StringComparer.OrdinalIgnoreCase),
        Error = _error,
        Out = _out,
    };

    public CommandContext Context { get; }

    public string Out => _out.ToString();

    public string Error => _error.ToString();

    public Task<int> RunAsync(params string[] args) =>
        CommandTree.RunAsync(args, Context, TestContext.Current.CancellationToken);

    public GatewaySettings Load(params string[] args)
    {
        var flags = new GatewayFlagSet();
        var command = new DocumentedCommand("gateway", "");
        flags.AddTo(command);
        var parsed = command.Parse(args);
        Assert.Empty(parsed.Errors);
        return GatewaySettings.Load(parsed, flags, Context.Environment);
    }
}
