namespace OrleansPd.Server.Commands;

/// <summary>The gateway that <c>workers</c> and <c>pools</c> call, and the key they send.</summary>
internal sealed class WorkersGatewayFlags
{
    private readonly Option<string> _url = new("--url")
    {
        DefaultValueFactory = _ => "http://127.0.0.1:30000",
        Description = "URL of the gateway. Default http://127.0.0.1:30000.",
        HelpName = "URL",
    };

    private readonly Option<string?> _key = new("--admin-api-key")
    {
        Description = "The --admin-api-key of the gateway. Default: the environment variable ORLEANSPD_ADMIN_API_KEY.",
        HelpName = "KEY",
    };

    public IEnumerable<Option> All => [_url, _key];

    public WorkersClient Client(ParseResult parsed, CommandContext context)
    {
        var text = parsed.GetValue(_url);
        if (!Uri.TryCreate(text, UriKind.Absolute, out var url) || url.Scheme is not ("http" or "https"))
            throw new BadInputException($"--url: '{text}' is not a URL such as http://127.0.0.1:30000.");
        return new(url, parsed.GetValue(_key) ?? context.Environment.GetValueOrDefault("ORLEANSPD_ADMIN_API_KEY"));
    }
}
