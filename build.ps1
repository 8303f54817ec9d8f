#!/usr/bin/env pwsh
# The repository's commands by name; ./build.ps1 help lists them. For PowerShell 7 on Windows and Linux.
# Written with the language, .NET calls and native commands alone: without cmdlets it needs no modules, and a test runs it in a bare engine.
[CmdletBinding(PositionalBinding = $false)]
param(
    [Parameter(Position = 0)] [string] $Target = 'help',
    [ValidateSet('Debug', 'Release')] [string] $Configuration = 'Release',
    [string] $Output = 'out/milena',
    [switch] $DryRun,
    [Parameter(ValueFromRemainingArguments)] [string[]] $More = @()
)

$ErrorActionPreference = 'Stop'
$usageError = 2
$help = @'
build.ps1: what one does with this repository, by name

usage: ./build.ps1 TARGET [-Configuration Debug|Release] [-Output FOLDER] [-DryRun] [arguments for dotnet]

  build     compile everything
  test      run the tests                   ./build.ps1 test --filter FullyQualifiedName~Storage
  bench     run tests/Benchmarks            ./build.ps1 bench --filter '*'
  publish   lay the node into a folder that runs where the .NET runtime is installed
  pack      the NuGet packages into out/packages
  clean     remove every bin, obj and out
  help      this text

  -Configuration   Release unless said otherwise
  -Output          the folder of publish: out/milena unless said otherwise
  -DryRun          print what would be done, and do nothing
'@

# Runs a program, or says so; the first one that fails ends the script with its exit code.
function Run {
    if ($DryRun) {
        return [string]::Join(' ', $args.ForEach({ if ("$_" -match '[\s*]') { "'$_'" } else { "$_" } }))
    }

    $program, $arguments = $args
    & $program @arguments
    if ($LASTEXITCODE -ne 0) { exit $LASTEXITCODE }
}

function Remove([string] $Folder) {
    $path = [IO.Path]::Combine($PSScriptRoot, $Folder)
    if (-not [IO.Directory]::Exists($path)) { return }
    if ($DryRun) { return "delete $Folder" }
    [IO.Directory]::Delete($path, $true)
}

function Bench {
    $project = 'tests/Benchmarks'
    if (-not [IO.Directory]::Exists([IO.Path]::Combine($PSScriptRoot, $project))) {
        return "Nothing to run: there is no $project."
    }

    Run dotnet run -c $Configuration --project $project '--' @More
}

# Projects are not packable unless they say so (src/Directory.Build.props), and having none is no failure.
function Pack {
    $folder = 'out/packages'
    Remove $folder
    Run dotnet pack Cluster.sln -c $Configuration -o $folder @More
    $path = [IO.Path]::Combine($PSScriptRoot, $folder)
    if (-not $DryRun -and -not ([IO.Directory]::Exists($path) -and [IO.Directory]::GetFiles($path, '*.nupkg'))) {
        'Nothing was packed: no project sets IsPackable.'
    }
}

function Clean {
    foreach ($room in 'src', 'tests') {
        foreach ($project in [IO.Directory]::GetDirectories([IO.Path]::Combine($PSScriptRoot, $room))) {
            foreach ($output in 'bin', 'obj') {
                Remove ([IO.Path]::Combine($room, [IO.Path]::GetFileName($project), $output))
            }
        }
    }

    Remove 'out'
}

# dotnet reads global.json from the folder that it is started in.
$ExecutionContext.SessionState.Path.PushCurrentLocation('build')
$null = $ExecutionContext.SessionState.Path.SetLocation($PSScriptRoot)
try {
    switch ($Target) {
        'build' { Run dotnet build Cluster.sln -c $Configuration @More }
        'test' { Run dotnet test Cluster.sln -c $Configuration @More }
        'bench' { Bench }
        'publish' { Run dotnet publish src/Node -c $Configuration -o $Output @More }
        'pack' { Pack }
        'clean' { Clean }
        'help' { $help }
        default {
            [Console]::Error.WriteLine("build.ps1: there is no target '$Target'. Try: ./build.ps1 help")
            exit $usageError
        }
    }
}
finally {
    $null = $ExecutionContext.SessionState.Path.PopLocation('build')
}
