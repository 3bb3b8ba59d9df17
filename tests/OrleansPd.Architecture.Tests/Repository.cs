using System.Xml.Linq;

namespace OrleansPd.Architecture.Tests;

/// <summary>The source tree this suite was built from.</summary>
internal static class Repository
{
    public static string Root { get; } = Find();

    /// <summary>Project files under <c>src</c>.</summary>
    public static IReadOnlyList<Project> Projects { get; } =
        [.. Directory.EnumerateFiles(Path.Combine(Root, "src"), "*.csproj", SearchOption.AllDirectories).Order()
            .Select(Project.Load)];

    /// <summary>C# files under <c>src</c> without generated ones, relative to the repository.</summary>
    public static IReadOnlyList<string> Sources { get; } =
    [
        .. Directory.EnumerateFiles(Path.Combine(Root, "src"), "*.cs", SearchOption.AllDirectories)
            .Select(file => Path.GetRelativePath(Root, file))
            .Where(file => file.Split(Path.DirectorySeparatorChar).All(part => part is not ("obj" or "bin")))
            .Order(StringComparer.Ordinal),
    ];

    /// <summary>A file beside this suite's sources.</summary>
    public static string OfSuite(string name) => Path.Combine(Root, "tests", "OrleansPd.Architecture.Tests", name);

    private static string Find()
    {
        for (var at = new DirectoryInfo(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            if (File.Exists(Path.Combine(at.FullName, "OrleansPd.sln")))
                return at.FullName;
        }

        throw new InvalidOperationException($"no OrleansPd.sln above {AppContext.BaseDirectory}");
    }
}

/// <summary>A project of <c>src</c>: its short name (<c>Core</c>), its assembly and what its file says.</summary>
internal sealed record Project(
    string Name, string AssemblyName, bool IsExecutable, bool IsUnsafe, IReadOnlyList<string> References)
{
    private const string Prefix = "OrleansPd.";

    public string AssemblyPath => Path.Combine(AppContext.BaseDirectory, AssemblyName + ".dll");

    public static Project Load(string file)
    {
        var xml = XDocument.Load(file);
        var name = Path.GetFileNameWithoutExtension(file);
        return new(
            name[Prefix.Length..],
            Value("AssemblyName") ?? name,
            Value("OutputType") == "Exe",
            Value("AllowUnsafeBlocks") == "true",
            [.. xml.Descendants("ProjectReference")
                .Select(reference => reference.Attribute("Include")!.Value.Replace('\\', '/'))
                .Select(path => Path.GetFileNameWithoutExtension(path)[Prefix.Length..])]);

        string? Value(string element) => xml.Descendants(element).FirstOrDefault()?.Value;
    }
}
